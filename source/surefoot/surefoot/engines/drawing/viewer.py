"""The browser viewer of engines without one of their own: their states in real time, by viser."""

import contextlib
import time
from collections.abc import Callable

import numpy as np
import torch
import viser
from mjviser import ViserMujocoScene
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.engines.drawing.drawer import AZIMUTH, DISTANCE, ELEVATION
from surefoot.engines.drawing.pilot import Pilot
from surefoot.engines.drawing.same_origin import check_bindable, guarded
from surefoot.engines.drawing.stage import Stage
from surefoot.errors import EngineError
from surefoot.mdp.command_schedule import CommandSchedule
from surefoot.reporting import say

SPEEDS = ("0.1x", "0.25x", "0.5x", "1x", "2x")
_SHOWN_PER_SECOND = 30.0
_LATE = 0.2
"""s behind the clock after which a simulation that is too slow no longer tries to catch up."""


def listen(host: str, port: int) -> viser.ViserServer:
    """Open a viewer's page, which alone may command it, and print its address.

    Raises:
        EngineError: The host or port cannot be listened on.
    """
    try:
        # viser tries a thousand ports of a host that does not exist, and then waits for ever.
        check_bindable(host, port)
        with guarded(host):
            server = viser.ViserServer(host=host, port=port, label="surefoot", verbose=False)
    except (OSError, OverflowError, RuntimeError) as error:
        raise EngineError(f"The viewer cannot listen on {host}:{port} ({error}); choose another --port.") from None
    say(f"Viewer: http://{host}:{server.get_port()}   (Ctrl-C ends it)")
    return server


def open_viewer(
    env: EngineEnv,
    policy: Callable[[Tensor], Tensor],
    *,
    schedule: CommandSchedule | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    max_steps: int | None = None,
) -> None:
    """Serve the viewer until Ctrl-C, or for `max_steps` control steps; see `surefoot.engines.base.Engine`.

    Raises:
        EngineError: The port cannot be opened, or the robot has no MJCF.
    """
    server = listen(host, port)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            StateViewer(env, policy, Pilot(env, schedule), server).run(max_steps)
    finally:
        server.stop()
        env.close()


class StateViewer:
    """Steps environments by the clock and shows their robots.

    Args:
        env: Of any engine.
        policy: Actor observations to actions.
        pilot: Commands.
        server: Where the page is.
    """

    def __init__(
        self, env: EngineEnv, policy: Callable[[Tensor], Tensor], pilot: Pilot, server: viser.ViserServer
    ) -> None:
        self._env, self._policy, self._pilot = env, policy, pilot
        layout = env.ground.layout if env.ground is not None else None
        self._stage = Stage(env.manifest.robot, layout)
        self._stage.place(*(value[0] for value in env.drawn_poses()))
        self.scene = ViserMujocoScene(server, self._stage.model, env.num_envs)
        self._steps, self._speed, self._paused, self._once, self._restart = 0, 1.0, False, False, False
        self._add_controls(server)
        self._show()

    def run(self, max_steps: int | None = None) -> None:
        """Until interrupted, or for so many control steps."""
        dt, done = self._env.manifest.simulation.step_dt, 0
        due = shown = time.perf_counter()
        while max_steps is None or done < max_steps:
            if self._restart:
                self._restart, self._steps = False, 0
                self._env.reset()
                self._show()
            if self._paused and not self._once:
                time.sleep(0.02)
                due = time.perf_counter()
                continue
            self._once = False
            self._step()
            done += 1
            due = max(due + dt / self._speed, time.perf_counter() - _LATE)
            if self._paused or time.perf_counter() - shown > 1 / _SHOWN_PER_SECOND:
                shown = time.perf_counter()
                self._show()
            time.sleep(max(0.0, due - time.perf_counter()))
        self._show()

    @torch.no_grad()
    def _step(self) -> None:
        self._pilot.step(self._policy(self._env.get_observations()["actor"]), self._steps)
        self._steps += 1

    def _place(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """Bodies of every robot, shapes (num_envs, num_bodies, 3) and (..., 3, 3), and whether the ground moved."""
        moved, stage = False, self._stage
        positions = np.empty((self._env.num_envs, stage.model.nbody, 3))
        rotations = np.empty((self._env.num_envs, stage.model.nbody, 3, 3))
        for i, pose in enumerate(zip(*self._env.drawn_poses(), strict=True)):
            moved |= stage.place(*pose, follow=i == self.scene.env_idx)
            positions[i], rotations[i] = stage.data.xpos, stage.data.xmat.reshape(-1, 3, 3)
        return positions, rotations, moved

    def _show(self) -> None:
        positions, rotations, moved = self._place()
        if moved:
            self.scene.rebuild_visual_handles()
        self.scene.update_from_arrays(positions, rotations)

    def _add_controls(self, server: viser.ViserServer) -> None:
        with server.gui.add_folder("Simulation"):
            pause = server.gui.add_button("Pause / play")
            once = server.gui.add_button("One step")
            again = server.gui.add_button("Reset")
            speed = server.gui.add_dropdown("Speed", SPEEDS, initial_value="1x")
        pause.on_click(lambda _: setattr(self, "_paused", not self._paused))
        once.on_click(lambda _: setattr(self, "_once", True))
        again.on_click(lambda _: setattr(self, "_restart", True))
        speed.on_update(lambda _: setattr(self, "_speed", float(speed.value.rstrip("x"))))
        with server.gui.add_folder("Commands"):
            self._pilot.add_controls(server)
        with server.gui.add_folder("Scene"):
            self.scene.create_scene_gui(camera_distance=DISTANCE, camera_azimuth=AZIMUTH, camera_elevation=-ELEVATION)
