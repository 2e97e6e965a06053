"""Memory of the process and of the device, and whether it keeps growing."""

import os
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from surefoot.audit.alerts import Alert
from surefoot.audit.metrics import Flush, define
from surefoot.manifest.audit import Audit

_NO_CUDA = "NaN without CUDA"
RSS = define("memory/process", "MB", "resident memory of this process, 1 MB = 10^6 byte; NaN where /proc is absent")
ALLOCATED = define("memory/device_allocated", "MB", f"held by torch tensors on the device; {_NO_CUDA}")
RESERVED = define("memory/device_reserved", "MB", f"held by torch's caching allocator on the device; {_NO_CUDA}")
USED = define("memory/device_used", "MB", f"in use on the device by every library and process; {_NO_CUDA}")
FRAGMENTATION = define(
    "memory/device_fragmentation",
    "-",
    f"share of reserved that is free but in pieces of blocks in use: it cannot be given back; {_NO_CUDA}",
)
_GROWTH = "Theil-Sen slope over the last audit.memory.window iterations; NaN until there are so many"
GROWTH = define("memory/process_growth", "MB/iteration", f"of memory/process: {_GROWTH}")
DEVICE_GROWTH = define("memory/device_growth", "MB/iteration", f"of memory/device_allocated: {_GROWTH}")


class MemoryMonitor:
    """Samples memory once per iteration.

    An alert needs a window, without the start of the process, in which memory grows (a) by at least `min_growth` per
    iteration, (b) significantly (Mann-Kendall), (c) in every quarter, because one allocation that stays is no leak, and
    (d) to above everything that was there before the window, because an allocator's memory comes and goes.

    Args:
        config: Thresholds.
        device: Where the tensors are.
    """

    def __init__(self, config: Audit, device: str | torch.device) -> None:
        self._config = config
        self._device = torch.device(device)
        self._samples = 0
        self._windows: dict[str, deque[float]] = {name: deque(maxlen=config.memory.window) for name in (RSS, ALLOCATED)}
        self._peak_before = dict.fromkeys(self._windows, 0.0)
        self._quiet_until = dict.fromkeys(self._windows, 0)

    def sample(self, iteration: int) -> tuple[Flush, list[Alert]]:
        """Measure now; to be called at the same point of every iteration."""
        return self.take({RSS: process_mb(), **device_mb(self._device)}, iteration)

    def take(self, measured: dict[str, float], iteration: int) -> tuple[Flush, list[Alert]]:
        """The same with what was measured, MB by metric name."""
        self._samples += 1
        alerts: list[Alert] = []
        growths: dict[str, float] = {}
        for name, growth_name in ((RSS, GROWTH), (ALLOCATED, DEVICE_GROWTH)):
            window = self._windows[name]
            if self._samples > self._config.memory.warm_up:
                if len(window) == window.maxlen:
                    self._peak_before[name] = max(self._peak_before[name], window[0])
                window.append(measured[name])
            full = len(window) == window.maxlen and bool(np.isfinite(window).all())
            values = np.array(window) if full else np.empty(0)
            growths[growth_name] = theil_sen(values) if full else float("nan")
            if full and iteration >= self._quiet_until[name] and self._grows(values, self._peak_before[name]):
                self._quiet_until[name] = iteration + self._config.repeat_after
                alerts.append(self._alert(name, growths[growth_name], measured[name], iteration))
        values = {**measured, **growths}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}, alerts

    def _grows(self, values: NDArray[np.floating[Any]], peak_before: float) -> bool:
        limit = self._config.memory.min_growth
        quarters = np.array_split(values, 4)
        return (
            theil_sen(values) >= limit
            and mann_kendall_z(values) >= self._config.memory.min_z
            and all(theil_sen(quarter) >= limit / 2 for quarter in quarters)
            and float(np.median(quarters[-1])) > peak_before
        )

    def _alert(self, name: str, growth: float, now: float, iteration: int) -> Alert:
        return Alert(
            kind="memory_growth",
            iteration=iteration,
            subject="process" if name == RSS else str(self._device),
            message=f"memory grows by {growth:.2f} MB per iteration over {self._config.memory.window} iterations, "
            f"limit {self._config.memory.min_growth:g}; now {now:.0f} MB",
            action=self._config.actions.memory_growth,
        )


def process_mb() -> float:
    """Resident memory of this process, MB; NaN where /proc is absent."""
    path = Path("/proc/self/statm")
    if not path.is_file():
        return float("nan")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def device_mb(device: torch.device) -> dict[str, float]:
    """Device memory by metric name; all NaN on a CPU."""
    if device.type != "cuda":
        return dict.fromkeys((ALLOCATED, RESERVED, USED, FRAGMENTATION), float("nan"))
    stats: dict[str, Any] = torch.cuda.memory_stats(device)
    free, total = torch.cuda.mem_get_info(device)
    reserved = stats.get("reserved_bytes.all.current", 0)
    return {
        ALLOCATED: stats.get("allocated_bytes.all.current", 0) / 1e6,
        RESERVED: reserved / 1e6,
        USED: (total - free) / 1e6,
        FRAGMENTATION: stats.get("inactive_split_bytes.all.current", 0) / reserved if reserved else 0.0,
    }


def theil_sen(values: NDArray[np.floating[Any]]) -> float:
    """Median of the slopes between all pairs of samples, per sample. A third of the samples may be anything.

    Source: Sen 1968, "Estimates of the regression coefficient based on Kendall's tau".
    """
    first, second = np.triu_indices(len(values), k=1)
    return float(np.median((values[second] - values[first]) / (second - first)))


def mann_kendall_z(values: NDArray[np.floating[Any]]) -> float:
    """How many standard deviations the number of rising pairs exceeds that of falling ones, without any trend.

    Ties count as neither, which makes the result smaller. Source: Mann 1945, "Nonparametric tests against trend".
    """
    n = len(values)
    first, second = np.triu_indices(n, k=1)
    return float(np.sign(values[second] - values[first]).sum() / np.sqrt(n * (n - 1) * (2 * n + 5) / 18))
