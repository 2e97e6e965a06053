"""Our ids as Isaac Lab's own train.py of 2.3 uses them: Hydra on its configuration, its wrapper, RSL-RL's runner.

The script itself is not in the wheel; these are its steps, in its order.
"""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from surefoot.errors import EngineError, ManifestError, MissingExtra

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
SMALL = [
    "env.scene.num_envs=16", "agent.max_iterations=3", "agent.num_steps_per_env=8", "agent.save_interval=1",
    "agent.algorithm.num_mini_batches=1", "agent.device=cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _only_2_3(isaaclab: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if isaaclab != "2.3":
        pytest.skip("3.0 has a command: tests/engine_isaaclab3/test_isaaclab_scripts.py")
    from surefoot_tasks.registration import register

    register()
    torch.set_num_threads(1)


def configured(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> tuple[Any, Any]:
    """Configuration of environment and agent after Isaac Lab's Hydra."""
    from isaaclab_tasks.utils.hydra import hydra_task_config

    found: list[tuple[Any, Any]] = []
    monkeypatch.setattr(sys, "argv", ["train.py", *SMALL, *overrides, "hydra.run.dir=.", "hydra.output_subdir=null"])

    @hydra_task_config(TASK, "rsl_rl_cfg_entry_point")
    def main(env_cfg: Any, agent_cfg: Any) -> None:
        found.append((env_cfg, agent_cfg))

    main()
    return found[0]


def test_it_trains_with_overrides_by_either_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import gymnasium
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper
    from rsl_rl.runners import OnPolicyRunner

    monkeypatch.chdir(tmp_path)
    env_cfg, agent_cfg = configured(
        monkeypatch, "env.rewards.torques.weight=-0.001", "env.manifest.task.episode_length=2.0"
    )
    env = RslRlVecEnvWrapper(gymnasium.make(TASK, cfg=env_cfg), clip_actions=agent_cfg.clip_actions)
    try:
        task = env.unwrapped.manifest.task
        assert (task.rewards["torques"].weight, task.episode_length, env.num_envs) == (-0.001, 2.0, 16)
        runner = OnPolicyRunner(env, agent_cfg.to_dict(), log_dir=str(tmp_path), device="cpu")
        runner.learn(3, init_at_random_ep_len=True)
        assert (tmp_path / "model_2.pt").is_file()
    finally:
        env.close()


def test_gymnasiums_render_mode_gives_pictures_for_its_video_recorder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import gymnasium

    from surefoot.engines.opengl import choose_opengl

    monkeypatch.delenv("MUJOCO_GL", raising=False)  # and gone again after the test
    try:
        choose_opengl()
    except MissingExtra as error:
        pytest.skip(str(error))
    monkeypatch.chdir(tmp_path)
    env_cfg, _ = configured(monkeypatch, "env.scene.num_envs=2", "env.viewer.resolution=[96,64]")
    env = gymnasium.make(TASK, cfg=env_cfg, render_mode="rgb_array")
    try:
        env.reset()
        before = env.render()
        env.step(torch.ones(2, 12))
        after = env.render()
    finally:
        env.close()
    assert before.shape == after.shape == (64, 96, 3)
    assert (before != after).any() and before[0, 95].min() > 150  # legs moved; sky


@pytest.mark.parametrize(
    ("override", "error", "says"),
    [
        ("env.scene.robot.prim_path=/World", EngineError, r"^env\.scene\.robot\.prim_path: this follows from the mani"),
        ("env.decimation=0", ManifestError, "simulation.decimation"),
    ],
)
def test_what_cannot_be_overridden_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, override: str, error: type[Exception], says: str
) -> None:
    import gymnasium

    monkeypatch.chdir(tmp_path)
    env_cfg, _ = configured(monkeypatch, override)
    with pytest.raises(error, match=says):
        gymnasium.make(TASK, cfg=env_cfg)
