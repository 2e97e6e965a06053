"""The viewer of engines without one of their own, on every engine: robots in the page are where the engine has them."""

import numpy as np
import torch

import engines_here
from surefoot.engines.drawing.pilot import Pilot
from surefoot.engines.drawing.viewer import StateViewer, listen
from surefoot.manifest import compose_manifest
from surefoot.mdp.command_schedule import CommandSchedule
from surefoot_tasks import manifest_root

MANIFEST = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0")


def shown_bases(viewer: StateViewer) -> np.ndarray:
    """Base of each robot as the page was told, m, relative to the robot that the camera follows."""
    body = viewer.scene.mj_model.body("robot/trunk").id
    groups = (group for group in viewer.scene._mesh_groups if body in group.body_ids and group.handle.visible)
    return np.asarray(next(groups).handle.batched_positions)


def test_the_page_shows_the_robots_and_the_schedule_commands_them(make_env: engines_here.Builder):
    env = make_env(MANIFEST, num_envs=2, num_threads=1, evaluation=True)
    generator = torch.Generator().manual_seed(0)
    server = listen("127.0.0.1", 18090)
    try:
        pilot = Pilot(env, CommandSchedule.read("0:0.5,0,0; 0.1:0.2,0.1,0"))
        viewer = StateViewer(env, lambda obs: torch.randn(2, 12, generator=generator), pilot, server)
        viewer.run(max_steps=5)
        assert env.robot_state.read("command").tolist() == [[0.5, 0.0, 0.0]] * 2
        bases = env.robot_state.read("base_pos_w").numpy()
        np.testing.assert_allclose(shown_bases(viewer), bases - bases[0], rtol=0, atol=1e-4)
        viewer.run(max_steps=2)  # the sixth step begins at 0.1 s
        np.testing.assert_allclose(env.robot_state.read("command")[0], [0.2, 0.1, 0.0], atol=1e-6)
        pilot._nudge(0, 0.1)(None)  # a key takes over
        viewer._restart = True
        viewer.run(max_steps=1)
        assert int(env.episode_length_buf[0]) == 1
        np.testing.assert_allclose(env.robot_state.read("command")[0], [0.3, 0.1, 0.0], atol=1e-6)
    finally:
        server.stop()
