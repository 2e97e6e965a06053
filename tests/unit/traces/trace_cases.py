"""Small traces with known content."""

from collections.abc import Sequence

import numpy as np

from surefoot.traces import Trace
from surefoot.traces.header import SignalInfo, TraceHeader

LEGS = ("FR", "FL", "RR", "RL")
JOINTS = tuple(f"{leg}_{part}_joint" for leg in LEGS for part in ("hip", "thigh", "calf"))
START = 1_763_146_355_421_617_551


def header_of(signals: Sequence[str]) -> TraceHeader:
    """Header of a Go2 trace."""
    infos = {name: SignalInfo(origin="measured", source=name) for name in signals}
    return TraceHeader(name="case", robot="unitree_go2", joints=JOINTS, feet=LEGS, signals=infos, clock="receipt")


def trace_of(samples: int, signals: Sequence[str], step_ns: int = 2_000_000, seed: int = 0) -> Trace:
    """Random numbers of single precision, at equal steps."""
    rng = np.random.default_rng(seed)
    header = header_of(signals)
    values = {
        name: rng.uniform(-1, 1, (samples, len(header.columns(name)))).astype(np.float32).astype(np.float64)
        for name in signals
    }
    return Trace(header, START + step_ns * np.arange(samples, dtype=np.int64), values)
