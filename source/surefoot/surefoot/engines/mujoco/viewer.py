"""mjlab's browser viewer (viser) on a surefoot environment, with commands from sliders, keys or a schedule."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import viser
from mjlab.viewer.base import PolicyProtocol
from mjlab.viewer.viser import ViserPlayViewer
from torch import Tensor

from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.engines.mujoco.terms import VelocityCommandTerm
from surefoot.errors import EngineError
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

    def __init__(self, env: MujocoEnv, schedule: CommandSchedule | None) -> None:
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

    def show_measured(self, velocity: Tensor) -> None:
        """Write the robot's velocity, shape (3,), below the sliders."""
        if self._measured is not None:
            vx, vy, yaw = velocity.tolist()
            self._measured.value = f"{vx:+.2f}, {vy:+.2f} m/s, {yaw:+.2f} rad/s"

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


class PlayEnv:
    """What mjlab's viewer expects of an environment (`mjlab.viewer.base.EnvProtocol`)."""

    def __init__(self, env: MujocoEnv, pilot: Pilot) -> None:
        self.unwrapped = env
        self.num_envs = env.num_envs
        self.device = env.device
        self.cfg = env.cfg
        self._pilot = pilot
        self._steps = 0

    def get_observations(self) -> Tensor:
        """Actor observations. Shape (num_envs, num_obs)."""
        return self.unwrapped.get_observations()["actor"]

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
        """One control step under the pilot's command."""
        env = self.unwrapped
        env.commands.hold(torch.tensor(self._pilot.command(self._steps * env.step_dt), device=env.device))
        result = env.step(actions)
        self._steps += 1
        if self._steps % 10 == 0:
            state = env.robot_state
            linear, angular = state.read("base_lin_vel_yaw")[0, :2], state.read("base_ang_vel_w")[0, 2:]
            self._pilot.show_measured(torch.cat((linear, angular)))
        return result.observations["actor"], result.reward, result.terminated | result.truncated, {}

    def reset(self) -> Tensor:
        """Reset all environments and the schedule's clock."""
        self._steps = 0
        self.unwrapped.reset()
        return self.get_observations()

    def close(self) -> None:
        """Free what the simulator holds."""
        self.unwrapped.close()


def open_viewer(
    env: MujocoEnv,
    policy: PolicyProtocol,
    *,
    schedule: CommandSchedule | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    max_steps: int | None = None,
) -> None:
    """Serve the viewer until Ctrl-C, or for `max_steps` control steps; prints its address.

    Raises:
        EngineError: The port cannot be opened.
    """
    try:
        server = viser.ViserServer(host=host, port=port, label="surefoot", verbose=False)
    except (OSError, OverflowError, RuntimeError) as error:
        raise EngineError(f"The viewer cannot listen on {host}:{port} ({error}); choose another --port.") from None
    pilot = Pilot(env, schedule)
    term = env.command_manager.get_term("velocity")
    assert isinstance(term, VelocityCommandTerm)
    term.gui = pilot.add_controls
    print(f"Viewer: http://{host}:{server.get_port()}   (Ctrl-C ends it)", flush=True)
    try:
        viewer = ViserPlayViewer(PlayEnv(env, pilot), policy, viser_server=server)
        # MuJoCo looks down at negative elevations, mjlab's viser scene at positive ones.
        viewer.cfg = replace(viewer.cfg, elevation=-viewer.cfg.elevation)
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it, also while it still sets up
            viewer.run(num_steps=max_steps)
    finally:
        server.stop()
        env.close()
