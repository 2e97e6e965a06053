"""State and targets of the simulated robots.

Axis letters: N environments, n environments written to, B bodies, J joints.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat.data import as_tensor, quat_from_isaac, quat_to_isaac
from surefoot.engines.isaaclab.compat.parameters import RobotParameters
from surefoot.errors import EngineError, did_you_mean


class RobotHandle(RobotParameters):
    """An articulation of either version: its state in the manifest's joint order, and its parameters.

    Attributes:
        to_isaac: Column of the manifest's joints for each of Isaac Lab's. Shape (J,).
        from_isaac: Column of Isaac Lab's joints for each of the manifest's. Shape (J,).
    """

    def __init__(self, robot: Any, version: str, backend: str, joint_names: Sequence[str], device: str) -> None:
        super().__init__(robot, version, backend)
        order = joint_permutation(joint_names, robot.joint_names)
        self.from_isaac = torch.tensor(order, device=device)
        self.to_isaac = self.from_isaac.argsort()

    @property
    def writes_reach_links(self) -> bool:
        """Whether velocities of links follow a write at once; PhysX has those of its last step."""
        return self._newton

    def body_ids(self, names: Sequence[str]) -> Tensor:
        """Columns of bodies, in the order of `names`, one of which may stand twice. Shape (b,)."""
        known = list(self._robot.body_names)
        missing = [name for name in names if name not in known]
        if missing:
            raise EngineError(f"The simulated robot has no body {missing[0]!r}. {did_you_mean(missing[0], known)}")
        return torch.tensor([known.index(name) for name in names], device=self.from_isaac.device)

    def base_pose(self) -> tuple[Tensor, Tensor]:
        """Position (m) and orientation of the base link, world. Shapes (N, 3) and (N, 4)."""
        data = self._robot.data
        return as_tensor(data.root_link_pos_w), quat_from_isaac(as_tensor(data.root_link_quat_w), self._version)

    def base_com_velocity(self) -> tuple[Tensor, Tensor]:
        """As `body_com_velocity`, of the base; true also right after a write, which bodies on PhysX are not.

        Shapes (N, 3).
        """
        data = self._robot.data
        return as_tensor(data.root_com_lin_vel_w), as_tensor(data.root_com_ang_vel_w)

    def body_pose(self, body_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Position (m) and orientation of the link frames, world. Shapes (N, b, 3) and (N, b, 4)."""
        data = self._robot.data
        quat = quat_from_isaac(as_tensor(data.body_link_quat_w)[:, body_ids], self._version)
        return as_tensor(data.body_link_pos_w)[:, body_ids], quat

    def body_com_velocity(self, body_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Velocity of the centre of mass (m/s) and angular velocity (rad/s), world. Shapes (N, b, 3)."""
        data = self._robot.data
        return as_tensor(data.body_com_lin_vel_w)[:, body_ids], as_tensor(data.body_com_ang_vel_w)[:, body_ids]

    def base_com_acceleration(self, base: Tensor) -> tuple[Tensor, Tensor]:
        """On PhysX, means over the last physics step, and 0 after a write: of the centre of mass (m/s^2) and angular
        (rad/s^2), world. Shapes (N, 3).

        Isaac Lab's own IMU divides the change of velocity between two readings by the physics step, which is right
        only if it is read after every one, and begins an episode with a velocity of 0.

        Args:
            base: Column of the base. Shape (1,).
        """
        acceleration = as_tensor(self._robot.data.body_com_acc_w)[:, base].squeeze(1)
        return acceleration[:, :3], acceleration[:, 3:]

    def body_com_offset(self, body_ids: Tensor) -> Tensor:
        """Centre of mass in the link frame, m. Shape (N, b, 3)."""
        return as_tensor(self._robot.data.body_com_pos_b)[:, body_ids]

    def joint_pos(self) -> Tensor:
        """rad. Shape (N, J)."""
        return as_tensor(self._robot.data.joint_pos)[:, self.from_isaac]

    def joint_vel(self) -> Tensor:
        """rad/s. Shape (N, J)."""
        return as_tensor(self._robot.data.joint_vel)[:, self.from_isaac]

    def drives(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Targets (rad), gains (N m/rad, N m s/rad) and torque limits (N m) as simulated. Shapes (N, J)."""
        data = self._robot.data
        if self._motors is None:
            held = (data.joint_stiffness, data.joint_damping, data.joint_effort_limits)
        else:
            held = (self._own("stiffness"), self._own("damping"), self._own("effort_limit"))
        fields = (as_tensor(field)[:, self.from_isaac] for field in (data.joint_pos_target, *held))
        target, stiffness, damping, limit = fields
        return target, stiffness, damping, limit

    def curves(self) -> tuple[Tensor, Tensor]:
        """Stall torques (N m) and no-load speeds (rad/s) of DC motors. Shapes (N, J)."""
        assert self._motors is not None
        return self._own("saturation_effort")[:, self.from_isaac], self._own("velocity_limit")[:, self.from_isaac]

    def limits_and_armature(self) -> tuple[Tensor, Tensor, Tensor]:
        """Lower and upper joint limits, rad, and armature, kg m^2, as simulated. Shapes (N, J)."""
        data = self._robot.data
        limits = as_tensor(data.joint_pos_limits)[:, self.from_isaac]
        return limits[..., 0], limits[..., 1], as_tensor(data.joint_armature)[:, self.from_isaac]

    def set_targets(self, targets: Tensor) -> None:
        """Joint position targets, rad; the next `write_data_to_sim` hands them over. Shape (N, J)."""
        targets = targets[:, self.to_isaac]
        if self._version == "2.3":
            self._robot.set_joint_position_target(targets)
        else:
            self._robot.actuators.target_command.set_position_index(value=targets.contiguous())

    def write_base(self, env_ids: Tensor, pos: Tensor, quat: Tensor, lin_vel_w: Tensor, ang_vel_w: Tensor) -> None:
        """Pose and velocity of the base link's origin, world. Shapes (n, 3), (n, 4), (n, 3), (n, 3)."""
        pose = torch.cat((pos, quat_to_isaac(quat, self._version)), dim=1)
        velocity = torch.cat((lin_vel_w, ang_vel_w), dim=1)
        if self._version == "2.3":
            self._robot.write_root_link_pose_to_sim(pose, env_ids=env_ids)
            self._robot.write_root_link_velocity_to_sim(velocity, env_ids=env_ids)
        else:
            self._robot.write_root_link_pose_to_sim_index(root_pose=pose, env_ids=env_ids)
            self._robot.write_root_link_velocity_to_sim_index(root_velocity=velocity, env_ids=env_ids)

    def write_joints(self, env_ids: Tensor, pos: Tensor, vel: Tensor) -> None:
        """rad and rad/s. Shapes (n, J)."""
        pos, vel = pos[:, self.to_isaac].contiguous(), vel[:, self.to_isaac].contiguous()
        if self._version == "2.3":
            self._robot.write_joint_state_to_sim(pos, vel, env_ids=env_ids)
        else:
            self._robot.write_joint_position_to_sim_index(position=pos, env_ids=env_ids)
            self._robot.write_joint_velocity_to_sim_index(velocity=vel, env_ids=env_ids)

    def write_limits(self, limits: Tensor) -> None:
        """Lower and upper joint limits of all environments, rad. Shape (J, 2)."""
        limits = limits[self.to_isaac].expand(self._robot.num_instances, -1, -1).contiguous()
        if self._version == "2.3":
            self._robot.write_joint_position_limit_to_sim(limits)
        else:
            self._robot.write_joint_position_limit_to_sim_index(limits=limits)

    def forget(self, env_ids: Tensor) -> None:
        """Clear what MuJoCo-Warp's solver starts its next search from: a NaN in it would outlive the reset."""
        if not self._newton:
            return
        import warp
        from isaaclab_newton.physics import NewtonManager

        warp.to_torch(NewtonManager._solver.mjw_data.qacc_warmstart)[env_ids] = 0.0


def joint_permutation(wanted: Sequence[str], given: Sequence[str]) -> list[int]:
    """Where each wanted joint stands among the given ones.

    Raises:
        EngineError: The two are not the same joints.
    """
    if sorted(wanted) != sorted(given):
        lacking, extra = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
        raise EngineError(
            f"robot.joints and the simulated robot differ: the robot lacks {lacking or 'none'}, robot.joints lacks "
            f"{extra or 'none'}."
        )
    return [list(given).index(name) for name in wanted]
