"""A trace in words."""

from pathlib import Path

from surefoot.traces.estimate import estimate_gains, find_modes
from surefoot.traces.signals import SIGNALS
from surefoot.traces.trace import Trace
from surefoot.traces.trace_file import read_trace

_MARGIN = 0.05
"""s, left out at both ends of a mode: the switch itself follows no law."""


def describe(path: Path) -> str:
    """Header, signals, findings and estimates of a trace.

    Raises:
        TraceError: Absent or corrupt.
    """
    trace = read_trace(path)
    header = trace.header
    lines = [
        f"{path}: {header.robot}, {header.num_samples} samples in {trace.time[-1]:.2f} s, {header.rate_hz:.4g} Hz",
        f"clock: {header.clock}; profile {header.profile}; content {header.content_sha256[:12]}",
        *(f"source: {file.name}, {file.bytes} bytes, sha256 {file.sha256}" for file in header.sources),
        "signals:",
    ]
    for name, info in header.signals.items():
        unit = SIGNALS[name].unit
        lines.append(f"  {name:15} {unit:10} {info.origin:10} {info.valid:7.1%} valid  {info.source}")
    lines += ["findings:", *(f"  {finding}" for finding in header.findings)] if header.findings else []
    return "\n".join(lines + _estimates(trace))


def _estimates(trace: Trace) -> list[str]:
    if not trace.has("q", "dq", "tau", "q_des"):
        return ["estimates: none without q, dq, tau and q_des"]
    lines = ["estimates:"]
    for segment in find_modes(trace):
        lines.append(f"  {segment.start:8.3f} to {segment.end:8.3f} s: {segment.mode} ({segment.note})")
        # No law fits, so its gains would mean nothing.
        if segment.mode == "unknown":
            continue
        found = estimate_gains(trace, segment.start + _MARGIN, segment.end - _MARGIN)
        lines.append(f"    stiffness {found.stiffness}")
        lines.append(f"    damping   {found.damping}")
        lines.append(f"    delay     {found.delay}")
    return lines
