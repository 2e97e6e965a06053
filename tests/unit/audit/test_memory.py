"""A leak is found; noise, one-off allocations and a sawtooth are not."""

import math
import mmap

import numpy as np
import pytest
import torch

from surefoot.audit.alerts.alerts import Alerts
from surefoot.audit.alerts.memory import (
    ALLOCATED,
    FRAGMENTATION,
    GROWTH,
    RESERVED,
    RSS,
    USED,
    MemoryMonitor,
    device_mb,
    mann_kendall_z,
    process_mb,
    theil_sen,
)
from surefoot.manifest import Manifest

CPU = device_mb(torch.device("cpu"))
ITERATIONS = np.arange(600)
REAL_AT = np.arange(0, 600, 20)
REAL_MB = (
    *(782, 802, 816, 822, 826, 834, 842, 839, 845, 847, 856, 868, 866, 866, 869),
    *(870, 866, 870, 870, 869, 871, 872, 878, 876, 882, 877, 881, 880, 878, 882),
)


def first_alert(manifest: Manifest, process: np.ndarray) -> int | None:
    """Iteration of the first alert over a series of MB."""
    monitor = MemoryMonitor(manifest.audit, "cpu")
    for iteration, value in enumerate(process.tolist(), start=1):
        findings = monitor.check(monitor.take({RSS: value, **CPU}))
        if findings:
            assert findings[0].subject == "process"
            return iteration
    return None


def test_theil_sen_ignores_outliers():
    values = 3.0 * np.arange(20)
    assert theil_sen(values) == 3.0
    values[[2, 9, 17]] = [1e6, -1e6, 1e6]
    assert theil_sen(values) == pytest.approx(3.0, abs=0.2)


def test_mann_kendall_against_its_formula():
    assert mann_kendall_z(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(6 / math.sqrt(4 * 3 * 13 / 18))
    assert mann_kendall_z(np.array([1.0, 4.0, 4.0, 1.0])) == 0.0  # two rise, two fall, two ties
    assert mann_kendall_z(np.ones(5)) == 0.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.0, 1.0, 10.0])
def test_a_leak_is_found_within_a_hundred_iterations_after_the_warm_up(go1_manifest: Manifest, seed: int, noise: float):
    """2.5 MB per iteration, 2.5 times the limit."""
    rng = np.random.default_rng(seed)
    found = first_alert(go1_manifest, 900 + 2.5 * ITERATIONS + rng.normal(0, noise, ITERATIONS.size))
    assert found is not None
    assert found == 120


def steady(kind: str, rng: np.random.Generator) -> np.ndarray:
    """MB of processes that do not leak."""
    n = ITERATIONS.size
    if kind == "a real run":  # Go1, 512 robots: allocators fill for 300 iterations
        return np.interp(ITERATIONS, REAL_AT, REAL_MB) + rng.normal(0, 1, n)
    if kind == "noise of 10 MB":
        return 900 + rng.normal(0, 10, n)
    if kind == "correlated noise":  # an allocator that wanders and comes back, 10 MB, over 20 iterations
        values = np.zeros(n)
        for i in range(1, n):
            values[i] = 0.95 * values[i - 1] + rng.normal(0, 3)
        return 900 + values
    if kind == "steps":  # five allocations that stay, such as an evaluation's
        return 900 + 50.0 * np.searchsorted(np.sort(rng.integers(0, n, 5)), ITERATIONS)
    if kind == "sawtooth":  # rows that are kept until the next checkpoint, 0.3 MB each
        return 900 + 0.3 * (ITERATIONS % 50) + rng.normal(0, 1, n)
    return 900 + 400 * (1 - np.exp(-ITERATIONS / 10)) + rng.normal(0, 1, n)  # fills its caches at the start


@pytest.mark.parametrize("kind", ["noise of 10 MB", "correlated noise", "steps", "sawtooth", "caches", "a real run"])
def test_a_steady_process_raises_no_alert(go1_manifest: Manifest, kind: str):
    for seed in range(4):
        assert first_alert(go1_manifest, steady(kind, np.random.default_rng(seed))) is None


def test_the_growth_is_recorded_and_the_alert_is_not_repeated_at_once(go1_manifest: Manifest):
    monitor = MemoryMonitor(go1_manifest.audit, "cpu")
    alerts = Alerts(go1_manifest.audit, [monitor])
    raised, growths = [], []
    for iteration in range(1, 221):
        flush = monitor.take({RSS: 100.0 + iteration, **CPU})
        raised += [(alert.iteration, alert.action) for alert in alerts.check(iteration, flush)]
        growths.append(flush[GROWTH].item())
    assert all(map(math.isnan, growths[:119])) and growths[119:] == [1.0] * 101
    assert raised == [(120, "log"), (170, "log"), (220, "log")]  # audit.repeat_after is 50


def new_memory(size: int) -> mmap.mmap:
    """From the kernel, whatever other tests have freed and the allocator has kept; every page is touched."""
    memory = mmap.mmap(-1, size)
    for page in range(0, size, mmap.PAGESIZE):
        memory[page] = 1
    return memory


def test_a_real_list_that_grows_is_found(go1_manifest: Manifest):
    monitor = MemoryMonitor(go1_manifest.audit, "cpu")
    leak: list[mmap.mmap] = []
    for _ in range(130):
        leak.append(new_memory(3_000_000))
        flush = monitor.sample()
    assert [finding.subject for finding in monitor.check(flush)] == ["process"]
    assert flush[GROWTH].item() == pytest.approx(3.0, abs=0.3)
    assert len(leak) == 130


def test_process_memory_counts_an_allocation():
    before = process_mb()
    block = new_memory(50_000_000)
    assert process_mb() - before == pytest.approx(50, abs=5)
    block.close()


def test_device_memory_is_nan_on_a_cpu_and_read_from_the_allocator_on_cuda(monkeypatch: pytest.MonkeyPatch):
    assert all(map(math.isnan, CPU.values())) and len(CPU) == 4
    stats = {
        "allocated_bytes.all.current": 3_000_000,
        "reserved_bytes.all.current": 8_000_000,
        "inactive_split_bytes.all.current": 2_000_000,
    }
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda device: stats)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (30_000_000, 40_000_000))
    assert device_mb(torch.device("cuda")) == {ALLOCATED: 3.0, RESERVED: 8.0, USED: 10.0, FRAGMENTATION: 0.25}
