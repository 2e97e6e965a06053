"""Interleaved measurements: every number is a ratio of two things that ran in turn, in one process, on one machine."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PERFORMANCE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


@dataclass(frozen=True)
class Spread:
    """Median and quartiles over rounds."""

    median: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """`median (low to high)`."""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of one value per round."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high)


def interleave(rounds: int, variants: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Run every variant once per round, in the order given.

    Args:
        rounds: Measured rounds; one more runs before them and is not counted.
        variants: Each does some work and returns how much, in units per call.

    Returns:
        Units per second, one value per round, by variant.
    """
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for index in range(rounds + 1):
        for name, run in variants.items():
            start = time.perf_counter()
            units = run()
            if index > 0:
                rates[name].append(units / (time.perf_counter() - start))
    return rates


def ratio(rates: dict[str, list[float]], over: str, under: str) -> Spread:
    """Rate of one variant over that of another, round by round."""
    return spread([a / b for a, b in zip(rates[over], rates[under], strict=True)])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class OtherLoad:
    """CPU time that other processes took, to tell a quiet measurement from a disturbed one."""

    def __init__(self) -> None:
        self._start, self._busy, self._own = time.perf_counter(), _busy_seconds(), _own_seconds()

    def text(self) -> str:
        """`other processes: 0.1 cores`, mean since the construction."""
        wall = time.perf_counter() - self._start
        others = (_busy_seconds() - self._busy) - (_own_seconds() - self._own)
        return f"other processes: {max(0.0, others) / wall:.1f} cores"


def _busy_seconds() -> float:
    """User, nice and system time of the whole machine; 0 where it cannot be told."""
    if not Path("/proc/stat").is_file():
        return 0.0
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return sum(map(int, fields[1:4])) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def machine() -> str:
    """The processor, for the line under a table."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} cores"


def parser(doc: str) -> argparse.ArgumentParser:
    """Options that all benchmarks have."""
    result = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--rounds", type=int, default=15)
    result.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    return result


def publish(name: str, text: str, write: bool) -> None:
    """Print a result; with `write`, put it between `<!-- name -->` and `<!-- /name -->` in docs/performance.md."""
    print(text, flush=True)
    if not write:
        return
    page = PERFORMANCE.read_text()
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if begin not in page or end not in page:
        raise SystemExit(f"error: {PERFORMANCE} has no {begin} ... {end}")
    head, _, rest = page.partition(begin)
    PERFORMANCE.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}")
