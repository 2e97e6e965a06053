"""Robots that come as USD: from a file, from the asset server, or not at all."""

from pathlib import Path
from typing import Any

import pytest
import torch

from composed_tasks import composed
from engines_here import make_isaaclab_env
from surefoot.errors import EngineError, UnknownName
from surefoot.manifest import Manifest

GO1 = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
ANYMAL = "Surefoot-Velocity-Flat-Anymal-D-v0"
CALM = [
    "randomization.factors.friction.edges=[0.6,0.6]", "randomization.factors.payload_mass.edges=[0,0]",
    "task.resets.joint_pos=[0,0]", "task.resets.lin_vel=[0,0]", "task.resets.ang_vel=[0,0]",
    "task.resets.randomize_episode_start=false",
]  # fmt: skip


def test_a_file_that_is_not_there_is_refused(isaaclab: str) -> None:
    with pytest.raises(EngineError, match=r"robot.assets.usd: expected a USD file, '/no/such.usd' is none"):
        make_isaaclab_env(composed_anymal("robot.assets.usd=/no/such.usd"), num_envs=2)


def composed_anymal(*overrides: str) -> Manifest:
    from surefoot.manifest import compose_manifest
    from surefoot_tasks import manifest_root

    return compose_manifest(manifest_root(), ANYMAL, list(overrides))


def test_an_unknown_configuration_names_the_nearest(isaaclab: str) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'ANYMAL_D_CFG'"):
        make_isaaclab_env(composed_anymal("robot.assets.isaaclab=ANYMAL_DD_CFG"), num_envs=2)


def test_without_the_asset_server_one_line_says_what_to_set(isaaclab: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import isaaclab.envs  # noqa: F401 (first, as Isaac Lab wants it)

    import surefoot.engines.isaaclab.robot_asset as asset

    monkeypatch.setattr(asset, "check_file_path", lambda path: 0)
    with pytest.raises(
        EngineError, match=r"does not give .*anymal_d\.usd\. Connect, or set robot\.assets\.usd"
    ) as refused:
        make_isaaclab_env(composed_anymal(), num_envs=2)
    assert "\n" not in str(refused.value)


def rollout(manifest: Manifest) -> dict[str, Any]:
    env = make_isaaclab_env(manifest, num_envs=2, evaluation=True)
    try:
        env.reset()
        generator = torch.Generator().manual_seed(0)
        for _ in range(10):
            env.step(0.3 * torch.randn(2, 12, generator=generator))
        read = env.robot_state.read
        found = {name: read(name).clone() for name in ("joint_pos", "base_height", "foot_force_w", "foot_height")}
        return found | {"mass": env.total_mass().clone(), "gains": env.handle.drives()[1].clone()}
    finally:
        env.close()


def test_a_robot_from_a_file_is_the_one_that_the_file_was_written_from(isaaclab: str, tmp_path: Path) -> None:
    from surefoot.engines.isaaclab.robot_model import load_robot_model
    from surefoot.engines.isaaclab.usd_file import write_robot

    manifest = composed(GO1, *CALM)
    robot = manifest.robot
    write_robot(tmp_path / "go1.usda", robot, load_robot_model(robot, "lean"))
    bodies = [f"robot.feet.{index}.geoms=[{foot.body}]" for index, foot in enumerate(robot.feet)]
    source = ["robot.assets.mujoco=null", f"robot.assets.usd={tmp_path / 'go1.usda'}"]
    alone = composed(GO1, *CALM, *source, *bodies, "robot.base_geoms=[trunk]", "robot.limb_geoms=[]")
    ours, theirs = rollout(manifest), rollout(alone)
    assert float(ours["foot_force_w"][..., 2].sum()) > 0
    for name, value in ours.items():
        assert torch.allclose(value, theirs[name], atol=1e-5), name
