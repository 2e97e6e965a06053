"""The modes of a replay: what each is given, and which stretches of a trace have every signal that it needs."""

from typing import Literal

import numpy as np

from surefoot.errors import TraceError
from surefoot.manifest import Manifest
from surefoot.replay.base_motion import base_signals
from surefoot.replay.motors import gain_signals
from surefoot.replay.windows import Windows, cut_windows
from surefoot.traces.card import TraceCard
from surefoot.traces.trace import FloatArray, Trace

Mode = Literal["actuator", "open_loop", "torque"]
"""actuator: joint targets through the motors' law, the base held to its recorded motion. open_loop: joint targets, free
base. torque: recorded torques, free base."""

NEEDS: dict[Mode, tuple[str, ...]] = {
    "actuator": ("q", "dq", "q_des"),
    "open_loop": ("q", "dq", "q_des"),
    "torque": ("q", "dq", "tau"),
}
"""Signals without which a mode cannot run; without an orientation the base is taken to be level."""

_SLOWEST = 1.6
"""Control steps between samples; what a signal does between samples that are further apart is not in the log."""


def signals_of_mode(trace: Trace, mode: Mode) -> tuple[str, ...]:
    """Signals that a mode gives, starts from or compares; where one is missing, nothing can be said of a window."""
    # A column of nothing but NaN is no signal: it would make every window invalid.
    compared = ("tau",) if trace.has("tau") and np.isfinite(trace.signals["tau"]).any() else ()
    return tuple(dict.fromkeys((*NEEDS[mode], *gain_signals(trace), *base_signals(trace), *compared)))


def replay_windows(
    trace: Trace,
    manifest: Manifest,
    mode: Mode,
    *,
    horizon: float,
    lead: float = 0.0,
    delays: FloatArray | None = None,
    card: TraceCard | None = None,
) -> Windows:
    """Cut a trace into windows for a mode.

    Args:
        trace: The log.
        manifest: Its time steps count.
        mode: What is given.
        horizon: s, length of a window.
        lead: s that commands were in force before their stamps.
        delays: Physics steps by which commands are late in some bucket. Shape (B,).
        card: Segments and gains.

    Raises:
        TraceError: A signal is missing, samples are further apart than control steps, or no window is left.
    """
    step_dt = manifest.simulation.step_dt
    trace.require(*NEEDS[mode], purpose=f"mode {mode}")
    if trace.step > _SLOWEST * step_dt:
        raise TraceError(
            f"{trace.path}: a sample every {1e3 * trace.step:.3g} ms, but the task compares every {1e3 * step_dt:.3g} "
            "ms; what happens in between is not in the log. Take a task with longer control steps, or a faster log."
        )
    # Recorded torques were measured at the motor: no delay lies before them.
    late = 0.0 if delays is None or mode == "torque" else float(delays.max()) * manifest.simulation.timestep
    given = "tau" if mode == "torque" else "q_des"
    return cut_windows(
        trace,
        num_steps=max(1, round(horizon / step_dt)),
        step_dt=step_dt,
        needs=signals_of_mode(trace, mode),
        card=card,
        commands=(given, *gain_signals(trace)),
        reach=(lead - late, lead),
    )
