"""Starts of episodes: drawn from their declared ranges, and each by itself."""

import math
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.draws import UniformDraws
from surefoot.audit.second_look.look import Look, pose_weights, yaw_of


class StartsLook(Look):
    """Where and how episodes begin."""

    of_one_iteration = ("repeated",)

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.shapes = {"repeated": ()}
        self.draws = {"start": self._declared()}
        self._weights = pose_weights(env)
        self._seen = torch.full((2048,), torch.nan, dtype=torch.float64, device=self._device)
        self._at = 0
        self._kept: list[Tensor] = []

    def _declared(self) -> UniformDraws:
        resets, robot = self._manifest.task.resets, self._manifest.robot
        parts: list[tuple[str, tuple[float, float]]] = [(f"position_{axis}", resets.position_xy) for axis in "xy"]
        width = min(resets.yaw[1] - resets.yaw[0], 2 * math.pi)
        parts += [("yaw", (0.0, width))]  # from the lower end on, so that a whole turn has one beginning
        parts += [(f"lin_vel_{axis}", resets.lin_vel) for axis in "xyz"]
        parts += [(f"ang_vel_{axis}", resets.ang_vel) for axis in "xyz"]
        parts += [(f"joint_pos {joint.name}", resets.joint_pos) for joint in robot.joints]
        parts += [(f"joint_vel {joint.name}", resets.joint_vel) for joint in robot.joints]
        return UniformDraws([n for n, _ in parts], [b[0] for _, b in parts], [b[1] for _, b in parts], self._device)

    def follow(self, ended: Tensor) -> None:
        """After every step."""
        if self._compact and not bool(ended.any()):
            return
        state, rows = self._state, ended.nonzero().squeeze(1) if self._compact else slice(None)
        offset = state.raw_base_pos_w()[rows] - state.episode_origins()[rows]
        parts = (state.raw_base_lin_vel_w(), state.raw_base_ang_vel_b(), state.raw_joint_pos(), state.raw_joint_vel())
        start = torch.cat((offset, state.raw_base_quat_w()[rows], *(part[rows] for part in parts)), dim=1)
        if self._compact:
            self._kept.append(start)
        else:
            self.draws["start"].add(self._as_drawn(start), ended)
            self._remember(torch.where(ended, self._hash_of(start), torch.nan))

    def _as_drawn(self, start: Tensor) -> Tensor:
        """A start as the numbers that a reset draws. Shape (n, kinds)."""
        joints, resets = len(self._manifest.robot.joints), self._manifest.task.resets
        offset, quat, velocities, joint_pos, joint_vel = start.split_with_sizes((3, 4, 6, joints, joints), dim=1)
        turn = (yaw_of(quat) - resets.yaw[0]).remainder(2 * math.pi)
        # Rounding may put a heading at the lower end of the range a whole turn higher.
        turn = torch.where(turn > 2 * math.pi - 1e-4, turn - 2 * math.pi, turn).clamp(min=0)
        pose = joint_pos - self._state.read("default_joint_pos")
        return torch.cat((offset[:, :2], turn.unsqueeze(1), velocities, pose, joint_vel), dim=1)

    def _hash_of(self, start: Tensor) -> Tensor:
        joints = len(self._manifest.robot.joints)
        return start[:, 13 : 13 + joints].to(torch.float64) @ self._weights

    def settle(self) -> None:
        if self._kept:
            self.draws["start"].add_moments([self._as_drawn(start) for start in self._kept])
            self._remember(self._hash_of(torch.cat(self._kept)))
        self._kept.clear()
        self.sums["repeated"].copy_(self._repeated())

    def _remember(self, start: Tensor) -> None:
        # Half of the memory at most, so that the batch before is still there to be compared with.
        size, start = len(self._seen), start[:1024]
        # Joints that are not drawn are alike because it was declared so.
        if self._manifest.task.resets.joint_pos[0] == self._manifest.task.resets.joint_pos[1]:
            return
        place = (torch.arange(len(start), device=start.device) + self._at) % size
        self._seen[place] = torch.where(start.isnan(), self._seen[place], start)
        self._at = (self._at + len(start)) % size

    def _repeated(self) -> Tensor:
        """Starts are drawn from continuous ranges: none of the last ones comes twice."""
        known = self._seen.sort().values
        return (known[1:] == known[:-1]).sum().to(torch.float64)

    def findings(self, sums: dict[str, Tensor], looks: int) -> list[Finding]:
        repeated = float(sums["repeated"])
        if repeated == 0:
            return []
        text = f"{repeated:.0f} episodes started in the very same pose as another: the same draws"
        return [Finding("start_draws", "start", text)]
