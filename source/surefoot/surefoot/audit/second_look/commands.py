"""Commands: when they change, what is drawn, and whether following them is worth anything."""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.draws import MAX_Z, UniformDraws
from surefoot.audit.second_look.look import Look

_AXES = ("lin_vel_x", "lin_vel_y", "ang_vel_z")
MIN_DRAWN = 100
"""Commands without which the share of standing ones is not judged."""


class CommandsLook(Look):
    """Commands of every step against their declared times and ranges."""

    of_one_iteration = ("command_early", "command_late", "command_clock")
    judged_always = True

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        names = ("command_early", "command_late", "command_clock", "drawn", "standing")
        self.shapes = {name: () for name in names}
        bounds = [getattr(self._manifest.task.commands, axis) for axis in _AXES]
        lows, highs = [low for low, _ in bounds], [high for _, high in bounds]
        self.draws = {"command": UniformDraws(_AXES, lows, highs, self._device)}
        self._age = torch.full((env.num_envs,), -1, dtype=torch.int64, device=self._device)
        """Control steps since the command was last drawn; below 0 where that was not seen."""
        self._kept: list[Tensor] = []

    def begin(self) -> None:
        self._command, self._left = self._state.command.clone(), self._env.commands.time_left.clone()

    def follow(self, ended: Tensor, due: bool) -> None:
        """After every step; countdowns are looked at in iterations with a look only."""
        command, commands, sums = self._state.command, self._manifest.task.commands, self.sums
        if self._env.commands.held:
            return
        left, age = self._env.commands.time_left, self._age
        changed, seen = (command != self._command).any(dim=1), age >= 0
        within = changed & ~ended
        low, high = (bound / self._dt for bound in commands.resampling_time)
        if due:
            # A countdown that has run out in this step was started anew.
            ran = (left - (self._left - self._dt)).abs() <= 1e-3 * self._dt
            sums["command_clock"].add_((~(ended | within | ran) & (self._left > self._dt * 1.001)).sum())
            # Two standing commands in a row look like one that stays: only those that move have an age.
            kept = ~ended & ~changed & (command != 0).any(dim=1)
            sums["command_late"].add_((kept & (age > high + 1)).sum())
        self._left.copy_(left)
        if not self._compact or bool(changed.any()):
            moving = (command != 0).any(dim=1)
            sums["command_early"].add_((within & seen & (age + 1 < low - 1)).sum())
            sums["drawn"].add_(changed.sum())
            sums["standing"].add_((changed & ~moving).sum())
            if self._compact:  # few rows, kept until the end of the iteration
                self._kept.append(command[changed & moving])
            else:
                self.draws["command"].add(command, changed & moving)
        # An age whose beginning was not seen stays below 0.
        self._age = torch.where(ended | within, 0, age + seen)
        self._command.copy_(command)

    def settle(self) -> None:
        self.draws["command"].add_moments(self._kept)
        self._kept.clear()

    def findings(self, sums: dict[str, Tensor], looks: int) -> list[Finding]:
        commands = self._manifest.task.commands
        low, high = commands.resampling_time
        found: list[Finding] = []
        for name, text in (
            ("command_early", f"changed in {{:.0f}} steps sooner than {low:g} s after it was drawn"),
            ("command_late", f"was kept in {{:.0f}} steps longer than {high:g} s"),
            ("command_clock", "countdown to the next command did not advance in {:.0f} steps"),
        ):
            if (rows := float(sums[name])) > 0:
                found.append(Finding("command_timing", "command", text.format(rows)))
        drawn, standing, share = float(sums["drawn"]), float(sums["standing"]), commands.standing_fraction
        if drawn >= MIN_DRAWN and any(max(map(abs, getattr(commands, axis))) > 0 for axis in _AXES):
            error = max(share * (1 - share) / drawn, 1 / drawn**2) ** 0.5
            if abs(standing / drawn - share) > MAX_Z * error:
                text = f"{standing / drawn:.0%} of {drawn:.0f} commands drawn are 0, declared {share:.0%}"
                found.append(Finding("command_draws", "command standing", text))
        return found
