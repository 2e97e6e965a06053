"""Logs of joints that a known control law moves: what an estimate must find."""

import numpy as np
from numpy.typing import NDArray

from surefoot.traces import Trace
from surefoot.traces.header import SignalInfo, TraceHeader
from trace_cases import JOINTS, START

FloatArray = NDArray[np.float64]


def held_targets(rng: np.random.Generator, count: int, step: float, period: float, size: float) -> FloatArray:
    """Targets of a gait: sines of a random phase for each joint, held for `period`. Shape (count, 12)."""
    time = np.floor(np.arange(count) * step / period + 1e-9) * period
    frequency = rng.uniform(1.5, 3.0)
    phase = rng.uniform(0, 2 * np.pi, 12)
    return size * np.sin(2 * np.pi * frequency * time[:, None] + phase) + rng.uniform(-1, 1, 12)


def log_of(
    targets: FloatArray,
    kp: float,
    kd: float,
    delay: float,
    rng: np.random.Generator,
    step: float = 0.002,
    torque_noise: float = 0.05,
    load: float = 1.0,
    jitter: float = 0.0,
) -> Trace:
    """Joints with inertia and friction, pulled to delayed targets and pushed about by a slow random load.

    Args:
        targets: rad, in force from their stamp on. Shape (num_samples, 12).
        kp: N m/rad.
        kd: N m s/rad.
        delay: s, from a target to the torque.
        step: s.
        torque_noise: N m, standard deviation.
        load: N m, of the load.
        jitter: s, half range of the stamps' noise.
    """
    count = len(targets)
    late = np.arange(count) - round(delay / step)
    q, dq = targets[0].copy(), np.zeros(12)
    pushes = load * np.sin(
        2 * np.pi * rng.uniform(0.5, 4, 12) * np.arange(count)[:, None] * step + rng.uniform(0, 6, 12)
    )
    out = {name: np.zeros((count, 12)) for name in ("q", "dq", "tau")}
    for at in range(count):
        tau = kp * (targets[max(late[at], 0)] - q) - kd * dq
        for name, values in (("q", q), ("dq", dq), ("tau", tau)):
            out[name][at] = values
        for _ in range(4):  # kp up to 100 on this inertia wants finer steps than a log has
            torque = kp * (targets[max(late[at], 0)] - q) - kd * dq
            dq = dq + step / 4 * (torque + pushes[at] - 0.3 * dq) / 0.08
            q = q + step / 4 * dq
    out["tau"] += rng.normal(0, torque_noise, out["tau"].shape) + rng.uniform(-0.5, 0.5, 12)
    stamp = START + np.round((np.arange(count) * step + rng.uniform(-jitter, jitter, count)) * 1e9).astype(np.int64)
    origins = {"q": "measured", "dq": "measured", "tau": "estimated", "q_des": "commanded"}
    infos = {name: SignalInfo.model_validate({"origin": origin, "source": name}) for name, origin in origins.items()}
    header = TraceHeader(name="case", robot="unitree_go2", joints=JOINTS, feet=(), signals=infos, clock="simulated")
    return Trace(header, stamp, {**out, "q_des": targets})


def joined(*parts: Trace) -> Trace:
    """One after the other, without a gap."""
    stamps, end = [], 0
    for part in parts:
        relative = part.stamp - part.stamp[0]
        stamps.append(START + end + relative)
        end += int(relative[-1]) + round(part.step * 1e9)
    signals = {name: np.concatenate([part.signals[name] for part in parts]) for name in parts[0].signals}
    return Trace(parts[0].header, np.concatenate(stamps), signals)
