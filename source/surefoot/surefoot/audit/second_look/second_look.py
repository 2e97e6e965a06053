"""The environments once more: what a step gave against what the manifest says of the state that the simulator holds.

Every step: clocks, commands and starts. At the last step of the first iterations and of every `EVERY`-th, a look:
reward terms, ends and observations are computed again from RobotState, motors are held against their law, robots
against each other, the model in the simulator against the recorded factors. Sums stay on the device until `findings`
reads them, once an iteration.

Axis letters: N environments, T reward terms, C termination causes, D columns.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.step import AuditStep
from surefoot.audit.accounts.sums import Sums
from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.commands import CommandsLook
from surefoot.audit.second_look.draws import UniformDraws
from surefoot.audit.second_look.factors import FactorsLook
from surefoot.audit.second_look.look import Look
from surefoot.audit.second_look.motion import MotionLook
from surefoot.audit.second_look.observations import ObservationsLook
from surefoot.audit.second_look.robots import RobotsLook
from surefoot.audit.second_look.starts import StartsLook
from surefoot.audit.second_look.terms import TermsLook

EVERY = 8
"""Iterations from look to look."""
FIRST = 12
"""Iterations at the start of a process that are all looked at: most mistakes are there from the beginning."""
WINDOW = 100
"""Looks after which sums of draws begin anew, so that what begins late is not drowned."""


class SecondLook:
    """Looks at environments of ours; reads them and changes nothing.

    Args:
        env: The environments.
    """

    def __init__(self, env: Any) -> None:
        self._state = env.robot_state
        self._terms, self._commands, self._starts = TermsLook(env), CommandsLook(env), StartsLook(env)
        self._observations, self._robots = ObservationsLook(env), RobotsLook(env)
        self._motion, self._factors = MotionLook(env), FactorsLook(env)
        self._all: tuple[Look, ...] = (
            self._terms, self._commands, self._starts, self._observations, self._robots, self._motion, self._factors,
        )  # fmt: skip
        shapes: dict[str, tuple[int, ...]] = {"looked": ()}
        self._draws: dict[str, UniformDraws] = {}
        for look in self._all:
            shapes |= look.shapes
            self._draws |= look.draws
        self._sums = Sums(shapes, env.device)
        for look in self._all:
            look.sums = self._sums
            look.begin_window()
        self._looks = self._begun = 0
        self.due = False
        """A look is taken in this iteration."""
        self._looking = self._last = False
        self._before: tuple[Tensor, ...] = ()
        """Joint positions, base positions, joint velocities and base velocities of the step before."""
        self.action = torch.zeros(env.num_envs, len(env.manifest.robot.joints), device=env.device)
        """What the policy gave in this step; set by whoever steps."""
        env.before_resets = self.before_resets

    def begin_iteration(self, iteration: int) -> None:
        """Looks are taken in the iteration that begins, or not."""
        if self._begun == 0:
            for look in self._all:
                look.begin()
        self._begun += 1
        self.due = self._begun <= FIRST or iteration % EVERY == 0

    def step(self, number: int, last: int) -> None:
        """Before a control step, the `number`-th of `last` in its iteration, from 0."""
        self._last = number == last - 1
        self._looking = self.due and self._last
        if self.due and number >= last - 2:
            state = self._state
            parts = (state.raw_joint_pos(), state.raw_base_pos_w(), state.raw_joint_vel(), state.raw_base_lin_vel_w())
            self._before = tuple(part.clone() for part in parts)

    def before_resets(self, seen: AuditStep) -> None:
        """Rewards and ends of a step, with the state that they were computed from. Called by the environment."""
        if not self._looking:
            return
        valid = ~seen.fault.any(dim=1)
        self._terms.before_resets(seen, valid)
        self._robots.before_resets(valid)

    def after(self, seen: AuditStep, observations: Mapping[str, Tensor]) -> None:
        """After a control step, its resets, and the observations."""
        ended = seen.terminated | seen.truncated | seen.fault.any(dim=1)
        self._terms.follow(ended)
        self._commands.follow(ended, self.due)
        self._starts.follow(ended)
        if self._last:
            self._robots.follow(ended)
        if self._looking:
            self._looks += 1
            self._sums["looked"].add_(1)
            self._observations.look(observations)
            self._robots.look(ended, self._before)
            self._motion.look(ended, self._before, self.action)
            self._factors.look()

    def silent(self) -> dict[str, str]:
        """Kinds that have not been judged, and why."""
        return self._motion.silent() | self._factors.silent() | self._observations.silent()

    @property
    def flat(self) -> Tensor:
        """All sums, on the device, float64."""
        for look in self._all:
            look.settle()
        model = [self._factors.model[1].to(torch.float64)] if self._factors.model is not None else []
        return torch.cat([self._sums.flat, *(draws.sums.flat for draws in self._draws.values()), *model])

    def findings(self, host: Tensor) -> list[Finding]:
        """What the sums of the iteration say, from a host copy of `flat`; begins the next iteration."""
        sizes = [len(self._sums.flat), *(len(draws.sums.flat) for draws in self._draws.values())]
        mine, *drawn, model = host.split_with_sizes([*sizes, len(host) - sum(sizes)])
        sums, found = self._sums.unpack(mine), list[Finding]()
        for look in self._all:
            if self.due or look.judged_always:
                found += look.findings(sums, self._looks)
        for (name, draws), flat in zip(self._draws.items(), drawn, strict=True):
            if not self.due:
                break
            kind = "observation_noise" if name.startswith("noise/") else f"{name}_draws"
            found += [Finding(kind, f"{name} {column}", text) for column, text in draws.judge(flat)]
        found += self._factors.of_model(model.tolist())
        self._begin_sums(sums)
        return found

    def _begin_sums(self, sums: dict[str, Tensor]) -> None:
        """Extremes and lags go on over the window, the rest begins anew."""
        # Factors that are drawn once are the same in every look: added up, they would count as ever more draws.
        if float(sums["looked"]) > 0 and "factor" in self._draws:
            self._draws["factor"].sums.flat.zero_()
        if self._looks >= WINDOW:
            self._looks = 0
            self._sums.flat.zero_()
            for draws in self._draws.values():
                draws.sums.flat.zero_()
            for look in self._all:
                look.begin_window()
        for name in ("looked", *(name for look in self._all for name in look.of_one_iteration)):
            self._sums[name].zero_()
