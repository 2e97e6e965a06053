"""Motors and the state that they move: torques against the motors' law, velocities against positions."""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.look import TOLERANCE, Look, few, raise_to, relative, yaw_of
from surefoot.mdp.frames import gravity_direction, quat_from_yaw, rotate

MIN_ALIKE = 0.5
"""Cosine between the velocities of a batch and the change of its positions. Hits on the ground leave 0.78 to 0.89,
joint velocities that are two steps late -0.3."""
TOLERANCE_OF_MOTORS = 0.02


class MotionLook(Look):
    """What follows exactly, or nearly, from other parts of the same state."""

    of_one_iteration = ("motor", "identity", "motion")

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.shapes = {"motor": (len(self._manifest.robot.joints),), "identity": (4,), "motion": (2, 3)}

    def look(self, ended: Tensor, before: tuple[Tensor, ...], action: Tensor) -> None:
        """At the last step of an iteration.

        Args:
            ended: Environments that were reset after it. Shape (N,), bool.
            before: The state a step earlier, as `SecondLook` keeps it.
            action: What the policy gave in it. Shape (N, joints).
        """
        state = self._state
        joint_pos, joint_vel = state.raw_joint_pos(), state.raw_joint_vel()
        self._look_at_motion(ended, joint_pos, joint_vel, before)
        if self._has_plain_motors:
            law = self._motor_law(joint_pos, joint_vel, action)
            limit = state.read("effort_limit")
            # Robots that were reset have not followed the last action.
            off = torch.where(ended.unsqueeze(1), 0.0, (state.raw_joint_torque() - law).abs() / limit)
            raise_to(self.sums["motor"], off.amax(dim=0))
        self._look_at_state()

    def _look_at_motion(self, ended: Tensor, joint_pos: Tensor, joint_vel: Tensor, before: tuple[Tensor, ...]) -> None:
        """Positions of two steps against the velocities at both: they must tell of the same motion."""
        pairs = (
            (joint_pos - before[0], joint_vel + before[2]),
            (self._state.raw_base_pos_w() - before[1], self._state.raw_base_lin_vel_w() + before[3]),
        )
        # The mean velocity of both ends of a step is what its change of position shows.
        for index, (moved, velocity) in enumerate(pairs):
            rows = ~ended & torch.isfinite(moved).all(dim=1)
            x, y = (torch.where(rows.unsqueeze(1), value, 0.0).double() for value in (moved / self._dt, velocity / 2))
            found = torch.stack(((x * y).sum(), x.square().sum(), y.square().sum()))
            self.sums["motion"][index] += found

    @property
    def _has_plain_motors(self) -> bool:
        """The torque that can be read is that of the present state and of targets that are known."""
        manifest = self._manifest
        late = manifest.task.actions.delay_steps[1] > 0 or "control_delay" in manifest.randomization.factors
        return getattr(self._env, "torque_of_present_state", False) and not late and manifest.robot.motors != "dc_motor"

    def _motor_law(self, joint_pos: Tensor, joint_vel: Tensor, action: Tensor) -> Tensor:
        """Torque of position motors that follow the last action. Shape (N, joints)."""
        values, joints, actions = self._env.buckets.values, self._manifest.robot.joints, self._manifest.task.actions

        def of(name: str) -> Tensor:
            return values[name].unsqueeze(1) if name in values else torch.ones(1, 1, device=joint_pos.device)

        stiffness = torch.tensor([joint.stiffness for joint in joints], device=joint_pos.device)
        damping = torch.tensor([joint.damping for joint in joints], device=joint_pos.device)
        target = self._state.read("default_joint_pos") + actions.scale * action.clamp(-actions.clip, actions.clip)
        torque = of("stiffness") * stiffness * (target - joint_pos) - of("damping") * damping * joint_vel
        limit = self._state.read("effort_limit") * of("motor_strength")
        return (torque * of("motor_strength")).clamp(-limit, limit)

    def _look_at_state(self) -> None:
        """Fields that follow from others exactly."""
        state = self._state
        quat, velocity = state.raw_base_quat_w(), state.raw_base_lin_vel_w()
        heading = quat_from_yaw(yaw_of(quat))
        pairs = (
            (rotate(quat, state.read("base_lin_vel_b")), velocity),
            (rotate(quat, state.read("base_ang_vel_b")), state.read("base_ang_vel_w")),
            (gravity_direction(quat), state.read("projected_gravity_b")),
            (rotate(heading, state.read("base_lin_vel_yaw"))[:, :2], velocity[:, :2]),
        )
        everyone = torch.ones(len(quat), dtype=torch.bool, device=quat.device)
        raise_to(self.sums["identity"], torch.stack([relative(a, b, everyone).amax() for a, b in pairs]))

    def silent(self) -> dict[str, str]:
        """Kinds that have not been judged, and why."""
        if self._has_plain_motors:
            return {}
        return {"motor_law": "delayed actions, DC motors, or an engine whose torque is of the last physics step"}

    def findings(self, sums: dict[str, Tensor], looks: int) -> list[Finding]:
        looked = float(sums["looked"]) > 0
        found: list[Finding] = []
        for joint, off in zip(self._manifest.robot.joints, sums["motor"].tolist(), strict=True):
            if off > TOLERANCE_OF_MOTORS:
                text = (
                    f"torque differs from the motor's law (gains, last action, position, velocity) by {off:.2g} of its "
                    "limit: late or other targets, other gains, or no motor"
                )
                found.append(Finding("motor_law", joint.name, text))
        for field, (product, one, other) in zip(("joint_vel", "base_lin_vel_w"), sums["motion"].tolist(), strict=True):
            # A batch that does not move says nothing of its velocities.
            alike = product / (one * other) ** 0.5 if min(one, other) > 0 else 1.0
            if self._lasting("state_field", field, alike < MIN_ALIKE, looked):
                text = (
                    f"velocity does not follow from positions of successive steps: they agree by {alike:.2f}, not by 1"
                )
                found.append(Finding("state_field", field, text))
        fields = ("base_lin_vel_b", "base_ang_vel_w", "projected_gravity_b", "base_lin_vel_yaw")
        for field, off in zip(fields, sums["identity"].tolist(), strict=True):
            if off > TOLERANCE:
                text = (
                    f"velocity or direction differs from the simulator's state turned into its frame by "
                    f"{off:.2g} of its size"
                )
                found.append(Finding("state_field", field, text))
        return few(found)
