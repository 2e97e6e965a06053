"""RobotState: what terms read, computed lazily and once per step, on any engine."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from surefoot.errors import EngineError
from surefoot.manifest.manifest import Manifest
from surefoot.mdp import frames
from surefoot.mdp.fields import field
from surefoot.mdp.foot_clocks import ContactTime, GaitClock
from surefoot.mdp.height_scan import ScanPattern
from surefoot.mdp.imu import specific_force
from surefoot.terrain.ground import Ground


class RobotState(ABC):
    """Fields of `surefoot.mdp.fields`, by name.

    An engine implements the abstract methods (raw state, canonical order) and calls `end_of_physics` once per control
    step after the last physics step, `invalidate` whenever the simulator's state has changed, and `reset`.
    """

    def __init__(self, manifest: Manifest, num_envs: int, device: str, ground: Ground | None = None) -> None:
        self.manifest = manifest
        self.ground = ground
        """None: a plane at height 0."""
        self.num_envs = num_envs
        self.device = device
        task, robot, step_dt = manifest.task, manifest.robot, manifest.simulation.step_dt
        self.gait = GaitClock(task.gait, num_envs, step_dt, device)
        self.contact_time = ContactTime(num_envs, len(robot.feet), step_dt, device)
        self.command = torch.zeros(num_envs, 3, device=device)
        """vx, vy (m/s), yaw rate (rad/s); the command term writes it in place."""
        self.imu_offset: Tensor | None = None
        """m, from the base's origin to `robot.imu_site`, base frame; None where that is not a site of the base."""
        self._moving_threshold = task.commands.moving_threshold
        self._step_dt = step_dt
        self._foot_radius = torch.tensor([foot.radius for foot in robot.feet], device=device)
        self._joint_vel_before = torch.zeros(num_envs, len(robot.joints), device=device)
        self._acceleration = torch.zeros_like(self._joint_vel_before)
        limits = torch.tensor(robot.soft_joint_limits, device=device)
        self._constants: dict[str, Any] = {
            "joint_names": robot.joint_names,
            "default_joint_pos": torch.tensor(robot.default_joint_pos, device=device),
            "soft_joint_lower": limits[:, 0].contiguous(),
            "soft_joint_upper": limits[:, 1].contiguous(),
            "effort_limit": torch.tensor([joint.effort_limit for joint in robot.joints], device=device),
            "step_dt": step_dt,
            "max_episode_steps": max_episode_steps(manifest),
        }
        scan = task.height_scan
        self._scan_pattern = ScanPattern(scan, device) if scan is not None else None
        self._cache: dict[str, Tensor] = {}

    def read(self, name: str) -> Any:
        """A field's current value: shape (num_envs, ...), or a constant. Not to be written to."""
        if name in self._constants:
            return self._constants[name]
        value = self._cache.get(name)
        if value is None:
            compute = getattr(self, f"_{name}", None)
            value = compute() if compute is not None else getattr(self, f"raw_{field(name).name}")()
            self._cache[name] = value
        return value

    def cached(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """What `compute` gave when `name`, which is no field, was first asked for since `invalidate`."""
        value = self._cache.get(name)
        if value is None:
            self._cache[name] = value = compute()
        return value

    def invalidate(self) -> None:
        """Forget cached values: the simulator, the actions, the command or the clock have changed."""
        self._cache.clear()

    def end_of_physics(self) -> None:
        """Advance clocks and finite differences by one control step."""
        self.invalidate()
        self.gait.step()
        # Over a control step, not a physics step, so that it means the same on every engine.
        joint_vel = self.read("joint_vel")
        torch.sub(joint_vel, self._joint_vel_before, out=self._acceleration).div_(self._step_dt)
        # A copy, because engines show memory that the next step overwrites.
        self._joint_vel_before.copy_(joint_vel)
        self.contact_time.step(self.read("foot_in_contact"))

    def reset(self, env_ids: Tensor, gait_phase: Tensor) -> None:
        """Start an episode: clocks at `gait_phase`, no contact history, no acceleration."""
        self.gait.reset(env_ids, gait_phase)
        self.contact_time.reset(env_ids)
        self._acceleration[env_ids] = 0
        # Raw, because what is cached is of before the reset.
        self._joint_vel_before[env_ids] = self.raw_joint_vel()[env_ids]
        self.invalidate()

    # Raw state, supplied by the engine; names, shapes, units and frames as in surefoot.mdp.fields.

    @abstractmethod
    def raw_base_pos_w(self) -> Tensor: ...
    @abstractmethod
    def raw_base_quat_w(self) -> Tensor: ...
    @abstractmethod
    def raw_base_lin_vel_w(self) -> Tensor: ...
    @abstractmethod
    def raw_base_ang_vel_b(self) -> Tensor: ...
    @abstractmethod
    def raw_joint_pos(self) -> Tensor: ...
    @abstractmethod
    def raw_joint_vel(self) -> Tensor: ...
    @abstractmethod
    def raw_joint_torque(self) -> Tensor: ...
    @abstractmethod
    def raw_foot_pos_w(self) -> Tensor: ...
    @abstractmethod
    def raw_foot_vel_w(self) -> Tensor: ...
    @abstractmethod
    def raw_foot_in_contact(self) -> Tensor: ...
    @abstractmethod
    def raw_foot_force_w(self) -> Tensor: ...
    @abstractmethod
    def raw_base_in_contact(self) -> Tensor: ...
    @abstractmethod
    def raw_limbs_in_contact(self) -> Tensor: ...
    @abstractmethod
    def raw_action(self) -> Tensor: ...
    @abstractmethod
    def raw_prev_action(self) -> Tensor: ...
    @abstractmethod
    def raw_prev_prev_action(self) -> Tensor: ...
    @abstractmethod
    def raw_episode_step(self) -> Tensor: ...
    @abstractmethod
    def base_acceleration(self) -> tuple[Tensor, Tensor]:
        """Acceleration of the base: how it is when this is called where the simulator knows it, else its mean over the
        last physics step.

        Returns:
            Of the base's origin, gravity subtracted, m/s^2, world frame; angular, rad/s^2, base frame. Shapes
            (num_envs, 3).
        """

    @abstractmethod
    def env_origins(self) -> Tensor:
        """Origin of each environment on a plane, m, world. Shape (num_envs, 3)."""

    # Derived state, the same on every engine.

    def episode_origins(self) -> Tensor:
        """Where each environment's episodes start, m, world; on tiles the middle of theirs. Shape (num_envs, 3)."""
        return self.env_origins() if self.ground is None else self.ground.origins

    def _command(self) -> Tensor:
        return self.command

    def _is_moving(self) -> Tensor:
        return self.command.square().sum(dim=1).sqrt() > self._moving_threshold

    def _foot_phase(self) -> Tensor:
        return self.gait.foot_phase()

    def _foot_height_target(self) -> Tensor:
        return self.gait.foot_height_target(self.read("is_moving"))

    def _projected_gravity_b(self) -> Tensor:
        return frames.gravity_direction(self.read("base_quat_w"))

    def _imu_lin_acc_b(self) -> Tensor:
        if self.imu_offset is None:
            raise EngineError(
                f"RobotState field 'imu_lin_acc_b' cannot be read: robot.imu_site {self.manifest.robot.imu_site!r} is "
                f"no site of body {self.manifest.robot.base_body!r} in an MJCF of this robot. Drop the term that reads "
                "it, or name such a site."
            )
        lin_acc_w, ang_acc_b = self.base_acceleration()
        return specific_force(
            self.read("base_quat_w"), self.read("base_ang_vel_b"), lin_acc_w, ang_acc_b, self.imu_offset
        )

    def _joint_pos_rel(self) -> Tensor:
        return self.read("joint_pos") - self._constants["default_joint_pos"]

    def _joint_acc(self) -> Tensor:
        return self._acceleration

    def _base_lin_vel_b(self) -> Tensor:
        return frames.rotate_inverse(self.read("base_quat_w"), self.read("base_lin_vel_w"))

    def _base_lin_vel_yaw(self) -> Tensor:
        return frames.to_yaw_frame(self.read("base_quat_w"), self.read("base_lin_vel_w"))

    def _base_ang_vel_w(self) -> Tensor:
        return frames.rotate(self.read("base_quat_w"), self.read("base_ang_vel_b"))

    def _base_height(self) -> Tensor:
        return self._over_ground(self.read("base_pos_w"))

    def _height_scan(self) -> Tensor:
        if self._scan_pattern is None:
            raise EngineError("RobotState field 'height_scan' cannot be read: task.height_scan is null.")
        pos, quat = self.read("base_pos_w"), self.read("base_quat_w")
        return self._scan_pattern.heights(pos, quat, self.ground.grid if self.ground is not None else None)

    def _distance_to_tile_edge(self) -> Tensor:
        if self.ground is None:
            return torch.full((self.num_envs,), torch.inf, device=self.device)
        # Tiles are squares along the axes, so the farther axis counts.
        return self.ground.half_tile - self._from_origin().abs().amax(dim=1)

    def _distance_from_origin(self) -> Tensor:
        return self._from_origin().square().sum(dim=1).sqrt()

    def _from_origin(self) -> Tensor:
        return self.read("base_pos_w")[:, :2] - self.episode_origins()[:, :2]

    def _foot_height(self) -> Tensor:
        return self._over_ground(self.read("foot_pos_w")) - self._foot_radius

    def _over_ground(self, pos_w: Tensor) -> Tensor:
        """Height of points over the ground under them, m. Shape (..., 3) to (...)."""
        if self.ground is None:
            return pos_w[..., 2]
        return pos_w[..., 2] - self.ground.grid.height(pos_w[..., 0], pos_w[..., 1])

    def _foot_air_time(self) -> Tensor:
        return self.contact_time.air_time

    def _foot_last_air_time(self) -> Tensor:
        return self.contact_time.last_air_time

    def _foot_touchdown(self) -> Tensor:
        return self.contact_time.touchdown


def max_episode_steps(manifest: Manifest) -> int:
    """Control steps in a full episode."""
    return round(manifest.task.episode_length / manifest.simulation.step_dt)
