"""Robots: whether each one moves by itself, stands on feet that feel the ground, and lies no longer than it may."""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.look import PATIENCE, Look, few, pose_weights

LYING_S = 1.0
"""s with the base's vertical axis more than `LYING` off the world's, from which on a robot lies."""
LYING = -0.2
"""z of gravity's direction in the base's frame: 78 degrees off."""


class RobotsLook(Look):
    """Robots of a batch, against each other and against what a robot can be."""

    of_one_iteration = ("frozen", "copies", "lying", "touching", "low", "vacuous")

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        names = ("frozen", "copies", "lying", "low", "vacuous")
        self.shapes = {name: () for name in names} | {"touching": (len(self._manifest.robot.feet),)}
        self._weights = pose_weights(env)
        self._tilted = torch.zeros(env.num_envs, dtype=torch.int64, device=self._device)

    def before_resets(self, valid: Tensor) -> None:
        """Robots that a success would ask nothing of."""
        speed = self._state.read("command")[:, :2].square().sum(dim=1).sqrt()
        self.sums["vacuous"].add_(((speed <= self._manifest.audit.success_error) & valid).sum() / len(valid))

    def follow(self, ended: Tensor) -> None:
        """After the last step of every iteration."""
        down = self._state.read("projected_gravity_b")[:, 2] > LYING
        self._tilted = torch.where(down & ~ended, self._tilted + 1, 0)

    def look(self, ended: Tensor, before: tuple[Tensor, ...]) -> None:
        """At the last step of an iteration; `before` is the state a step earlier, as `SecondLook` keeps it."""
        state, sums, robot = self._state, self.sums, self._manifest.robot
        joint_pos, joint_vel = state.raw_joint_pos(), state.raw_joint_vel()
        still = (joint_pos == before[0]).all(dim=1) & (state.raw_base_pos_w() == before[1]).all(dim=1)
        sums["frozen"].add_((still & ~ended).sum())
        # Two robots that have moved under noise of their own are never in the same state.
        old = self._env.episode_length_buf > 2
        state_of = (joint_pos.to(torch.float64) @ self._weights) + (joint_vel.to(torch.float64) @ self._weights.flip(0))
        # Sorted, equal states are neighbours; NaN equals nothing.
        state_of = torch.where(old, state_of, torch.nan).sort().values
        sums["copies"].add_((state_of[1:] == state_of[:-1]).sum())
        steps = self._manifest.ppo.num_steps_per_env
        sums["lying"].add_((self._tilted * steps * self._dt >= LYING_S).sum())
        low = state.read("base_height") < 0.6 * robot.base_height
        sums["low"].add_((~low & ~ended).sum())
        sums["touching"].add_(state.read("foot_in_contact").sum(dim=0))

    def findings(self, sums: dict[str, Tensor], looks: int) -> list[Finding]:
        looked, n = float(sums["looked"]) > 0, self._env.num_envs
        numbers = {name: float(sums[name]) for name in ("frozen", "copies", "lying", "vacuous", "low")}
        found: list[Finding] = []
        if self._lasting("frozen_robots", "", numbers["frozen"] > 0, looked):
            text = f"{numbers['frozen']:.0f} robots did not move at all in a control step"
            found.append(Finding("frozen_robots", "robots", text))
        if self._lasting("same_robots", "", numbers["copies"] > 0, looked):
            text = f"{numbers['copies']:.0f} robots are in the same state as another: copies, or the same draws"
            found.append(Finding("same_robots", "robots", text))
        if self._lasting("lying_robots", "", numbers["lying"] > max(1.0, 0.01 * n), looked):
            text = (
                f"{numbers['lying']:.0f} robots have been lying for {LYING_S:g} s and their episodes go "
                f"on: falls do not end"
            )
            found.append(Finding("lying_robots", "fallen robots", text))
        if looked and (self._lasting("easy_success", "", numbers["vacuous"] > 0.5, looked)):
            text = (
                f"a robot that stands still would follow {numbers['vacuous']:.0%} of the commands within "
                f"audit.success_error = {self._manifest.audit.success_error:g} m/s: success says nothing"
            )
            found.append(Finding("easy_success", "command", text))
        # Feet of robots that lie touch nothing, and their flags are none the worse for it.
        standing = numbers["low"] > 0.3 * n
        for foot, rows in zip(self._manifest.robot.feet, sums["touching"].tolist(), strict=True):
            if self._lasting("dead_contact", foot.name, standing and rows == 0, looked):
                text = f"foot never touched the ground in {PATIENCE} looks while robots stand: its contact flag is dead"
                found.append(Finding("dead_contact", f"foot {foot.name}", text))
        return few(found)
