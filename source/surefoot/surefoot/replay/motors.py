"""What a log's motors were told, at every physics step of a batch of windows: targets or torques, and gains.

The motors' law: tau = kp (q_des - q) + kd (dq_des - dq) + tau_ff. Axis letters: T samples, K physics steps, W windows,
N environments, J joints.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surefoot.manifest.robot import Robot
from surefoot.replay.windows import Windows, last_given
from surefoot.traces.card import TraceCard
from surefoot.traces.trace import FloatArray, Trace


@dataclass(frozen=True)
class SampleGains:
    """Gains and further commands of every sample. Shape (T, J) each.

    Attributes:
        stiffness: N m/rad, at least 0.
        damping: N m s/rad, at least 0.
        torque: N m, what is added: tau_ff, and kd dq_des.
    """

    stiffness: FloatArray
    damping: FloatArray
    torque: FloatArray


def gain_signals(trace: Trace) -> tuple[str, ...]:
    """Signals of the motors' law, beside q_des, that the log has numbers of."""
    names = ("kp", "kd", "tau_ff", "dq_des")
    return tuple(name for name in names if trace.has(name) and np.isfinite(trace.signals[name]).any())


def sample_gains(trace: Trace, robot: Robot, card: TraceCard | None) -> SampleGains | None:
    """Gains of every sample: the log's own, else those of the card's segment, else `robot`'s.

    Args:
        trace: The log.
        robot: As replayed, with the card's gains where it has any.
        card: Its segments may have gains of their own.

    Returns:
        None where the robot's hold all through and nothing is added.
    """
    joints, recorded = robot.joint_names, gain_signals(trace)
    segments = [segment for segment in card.segments if segment.gains is not None] if card is not None else []
    if not recorded and not segments:
        return None
    shape = (len(trace.stamp), len(joints))
    stiffness = np.broadcast_to([joint.stiffness for joint in robot.joints], shape).copy()
    damping = np.broadcast_to([joint.damping for joint in robot.joints], shape).copy()
    for segment in segments:
        assert segment.gains is not None
        inside = (trace.time >= segment.start) & (trace.time < segment.end)
        stiffness[inside], damping[inside] = segment.gains.stiffness.value, segment.gains.damping.value
    stiffness = trace.get("kp", joints) if "kp" in recorded else stiffness
    damping = trace.get("kd", joints) if "kd" in recorded else damping
    torque = trace.get("tau_ff", joints) if "tau_ff" in recorded else np.zeros(shape)
    if "dq_des" in recorded:
        # The simulator's motors have no velocity target: its part of the law is a torque.
        torque = torque + damping * trace.get("dq_des", joints)
    # The estimate of no stiffness at all may come out below 0 (docs/traces.md has -0.08).
    return SampleGains(np.maximum(stiffness, 0.0), np.maximum(damping, 0.0), torque)


class MotorTable:
    """Commands at physics steps of each window.

    Args:
        trace: The log.
        windows: Where to start.
        joints: Canonical order.
        signal: `q_des`, or `tau` where torques are replayed.
        gains: Of every sample; None leaves those that the simulator has.
        dt: s, physics step.
        count: Physics steps from the start on.
        before: Physics steps before it, for delays.
        lead: s that commands were given before their stamps.
        device: Of the tensors.
    """

    def __init__(
        self,
        trace: Trace,
        windows: Windows,
        joints: tuple[str, ...],
        signal: str,
        gains: SampleGains | None,
        *,
        dt: float,
        count: int,
        before: int,
        device: str,
        lead: float = 0.0,
    ) -> None:
        def table(values: FloatArray) -> Tensor:
            found = last_given(trace, windows, values, dt=dt, count=count + before, first=-before, lead=lead)
            return torch.tensor(found, dtype=torch.float32, device=device)

        self.value = table(trace.get(signal, joints))
        """rad or N m. Shape (K, W, J)."""
        self._gains = None if gains is None else tuple(map(table, (gains.stiffness, gains.damping, gains.torque)))

    @property
    def has_gains(self) -> bool:
        """Whether gains come with the commands."""
        return self._gains is not None

    def gains(self, row: Tensor, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Stiffness, damping and added torque in force. Shape (N, J) each."""
        assert self._gains is not None
        stiffness, damping, torque = (part[row, window] for part in self._gains)
        return stiffness, damping, torque
