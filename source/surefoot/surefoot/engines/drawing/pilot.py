"""Where a viewer's commands come from: sliders, keys or a schedule."""

from collections.abc import Callable
from typing import Any

import torch
import viser
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.engines.step import StepResult
from surefoot.mdp.command_schedule import Command, CommandSchedule

STEP = 0.1
"""Change of the command with one key press, m/s and rad/s."""

KEYS: tuple[tuple[Any, str, int, float], ...] = (
    ("I", "Command: more forward", 0, STEP),
    ("K", "Command: more backward", 0, -STEP),
    ("U", "Command: more to the left", 1, STEP),
    ("O", "Command: more to the right", 1, -STEP),
    ("J", "Command: turn more to the left", 2, STEP),
    ("L", "Command: turn more to the right", 2, -STEP),
)
"""Key, label, axis of the command, change. W A S D Q E and the arrows move viser's camera."""


class Pilot:
    """Where commands come from: the schedule, until somebody touches a slider or a key.

    Callbacks run in viser's threads; they only replace `_manual`, which the stepping thread reads.
    """

    def __init__(self, env: EngineEnv, schedule: CommandSchedule | None) -> None:
        self._env = env
        ranges = env.manifest.task.commands
        self._limits = (ranges.lin_vel_x, ranges.lin_vel_y, ranges.ang_vel_z)
        self._schedule = schedule
        self._manual: Command | None = None if schedule else (0.0, 0.0, 0.0)
        self._sliders: list[viser.GuiSliderHandle[float]] = []
        self._measured: viser.GuiTextHandle | None = None
        self._shown: Command = (0.0, 0.0, 0.0)

    def command(self, time: float) -> Command:
        """The command at `time`, s since the last reset."""
        if self._manual is not None or self._schedule is None:
            return self._manual or (0.0, 0.0, 0.0)
        command = self._schedule.at(time)
        if command != self._shown:
            self._show(command)
        return command

    def step(self, action: Tensor, steps: int) -> StepResult:
        """One control step under the command.

        Args:
            action: Shape (num_envs, num_actions).
            steps: Control steps since the last reset.
        """
        env = self._env
        env.commands.hold(torch.tensor(self.command(steps * env.manifest.simulation.step_dt), device=env.device))
        result = env.step(action)
        if self._measured is not None and steps % 10 == 0:
            state = env.robot_state
            vx, vy = state.read("base_lin_vel_yaw")[0, :2].tolist()
            yaw = float(state.read("base_ang_vel_w")[0, 2])
            self._measured.value = f"{vx:+.2f}, {vy:+.2f} m/s, {yaw:+.2f} rad/s"
        return result

    def add_controls(self, server: viser.ViserServer) -> None:
        """Sliders, a stop button, a line with the measured velocity, and keys."""
        labels = ("vx, m/s", "vy, m/s", "yaw, rad/s")
        for label, (low, high) in zip(labels, self._limits, strict=True):
            slider = server.gui.add_slider(label, min=low, max=high, step=0.05, initial_value=min(max(0.0, low), high))
            slider.on_update(self._on_slider)
            self._sliders.append(slider)
        self._measured = server.gui.add_text("measured", initial_value="", disabled=True)
        server.gui.add_button("Stop (space)").on_click(lambda _: self._take((0.0, 0.0, 0.0)))
        if self._schedule is not None:
            server.gui.add_button("Follow the schedule").on_click(lambda _: self._release())
        for key, label, axis, change in KEYS:
            server.gui.add_command(label, hotkey=key).on_trigger(self._nudge(axis, change))
        server.gui.add_command("Command: stop", hotkey="space").on_trigger(lambda _: self._take((0.0, 0.0, 0.0)))
        self._show(self._shown)

    def _on_slider(self, event: Any) -> None:
        if event.client_id is not None:  # None: moved by `_show`, not by a person
            vx, vy, yaw = (float(slider.value) for slider in self._sliders)
            self._manual = self._shown = (vx, vy, yaw)

    def _nudge(self, axis: int, change: float) -> Callable[[Any], None]:
        def pressed(_: Any) -> None:
            command = list(self._shown)
            low, high = self._limits[axis]
            command[axis] = round(min(max(command[axis] + change, low), high), 6)
            self._take((command[0], command[1], command[2]))

        return pressed

    def _take(self, command: Command) -> None:
        self._manual = command
        self._show(command)

    def _release(self) -> None:
        self._manual = None

    def _show(self, command: Command) -> None:
        self._shown = command
        for slider, value in zip(self._sliders, command, strict=False):
            slider.value = min(max(value, slider.min), slider.max)
