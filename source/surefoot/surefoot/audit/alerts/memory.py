"""Memory of the process and of the device, and whether it keeps growing."""

import os
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.alerts.alerts import Finding
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
    """Samples memory once per iteration, and is one of the rules of `Alerts`.

    A finding needs a window, without the start of the process, in which memory grows (a) by at least `min_growth` per
    iteration, (b) significantly (Mann-Kendall), (c) in every quarter, because one allocation that stays is no leak, and
    (d) to above everything that was there before the window, because an allocator's memory comes and goes.

    Args:
        config: Thresholds.
        device: Where the tensors are.
    """

    def __init__(self, config: Audit, device: str | torch.device) -> None:
        self._config = config.memory
        self._device = torch.device(device)
        self._trends = {
            RSS: _Trend("process", config.memory.window),
            ALLOCATED: _Trend(str(self._device), config.memory.window),
        }
        self._samples = 0

    def sample(self) -> Flush:
        """Measure now; to be called at the same point of every iteration."""
        return self.take({RSS: process_mb(), **device_mb(self._device)})

    def take(self, measured: dict[str, float]) -> Flush:
        """The same with what was measured, MB by metric name."""
        self._samples += 1
        if self._samples > self._config.warm_up:
            for name, trend in self._trends.items():
                trend.append(measured[name])
        growths = {GROWTH: self._trends[RSS].slope, DEVICE_GROWTH: self._trends[ALLOCATED].slope}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in {**measured, **growths}.items()}

    def check(self, flush: Flush) -> list[Finding]:
        """What grows, as of the last sample."""
        return [
            Finding(
                "memory_growth",
                trend.subject,
                f"memory grows by {trend.slope:.2f} MB per iteration over {self._config.window} iterations, "
                f"limit {self._config.min_growth:g}; now {float(flush[name]):.0f} MB",
            )
            for name, trend in self._trends.items()
            if trend.grows(self._config.min_growth, self._config.min_z)
        ]

    def silent(self) -> dict[str, str]:
        """Nothing has been judged before the window was full."""
        needed = self._config.warm_up + self._config.window
        if self._samples >= needed:
            return {}
        return {"memory_growth": f"{self._samples} iterations of this process, {needed} are needed"}

    def state_dict(self) -> dict[str, Any]:
        """Nothing: a resumed run has another process, with memory of its own."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `state_dict`."""


class _Trend:
    """The last samples of one kind of memory, MB."""

    def __init__(self, subject: str, window: int) -> None:
        self.subject = subject
        self.slope = float("nan")
        self._window: deque[float] = deque(maxlen=window)
        self._peak_before = 0.0

    def append(self, value: float) -> None:
        if self._full():
            self._peak_before = max(self._peak_before, self._window[0])
        self._window.append(value)
        self.slope = theil_sen(np.array(self._window)) if self._full() else float("nan")

    def grows(self, min_growth: float, min_z: float) -> bool:
        if not self.slope >= min_growth:  # NaN is no growth
            return False
        values = np.array(self._window)
        quarters = np.array_split(values, 4)
        return (
            mann_kendall_z(values) >= min_z
            and all(theil_sen(quarter) >= min_growth / 2 for quarter in quarters)
            and float(np.median(quarters[-1])) > self._peak_before
        )

    def _full(self) -> bool:
        return len(self._window) == self._window.maxlen and not np.isnan(self._window[-1])


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
