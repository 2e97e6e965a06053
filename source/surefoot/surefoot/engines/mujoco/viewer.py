"""mjlab's browser viewer (viser) on a surefoot environment, with commands from sliders, keys or a schedule."""

import contextlib
from dataclasses import replace
from typing import Any, cast

from mjlab.viewer.base import PolicyProtocol
from mjlab.viewer.viser import ViserPlayViewer
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.engines.drawing.pilot import Pilot
from surefoot.engines.drawing.viewer import listen
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.engines.mujoco.terms import VelocityCommandTerm
from surefoot.mdp.command_schedule import CommandSchedule


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
        result = self._pilot.step(actions, self._steps)
        self._steps += 1
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
    server = listen(host, port)
    pilot = Pilot(cast("EngineEnv", env), schedule)
    term = env.command_manager.get_term("velocity")
    assert isinstance(term, VelocityCommandTerm)
    term.gui = pilot.add_controls
    try:
        viewer = ViserPlayViewer(PlayEnv(env, pilot), policy, viser_server=server)
        # MuJoCo looks down at negative elevations, mjlab's viser scene at positive ones.
        viewer.cfg = replace(viewer.cfg, elevation=-viewer.cfg.elevation)
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it, also while it still sets up
            viewer.run(num_steps=max_steps)
    finally:
        server.stop()
        env.close()
