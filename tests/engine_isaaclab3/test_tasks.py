"""Every task on Newton: built, stepped, reset, and trained through this project's own runner."""

from pathlib import Path

import pytest
import torch

from composed_tasks import small_ground
from live import batch, skipping_absent_models
from surefoot.machine import Machine
from surefoot.manifest import compose_manifest
from surefoot.mdp.observation_layout import observation_size
from surefoot.rl.train import train
from surefoot_tasks import list_tasks, manifest_root

NUM, STEPS = 4, 200


@pytest.mark.parametrize("task", list_tasks())
def test_it_steps_and_resets(task: str) -> None:
    manifest = compose_manifest(manifest_root(), task)
    joints, generator = len(manifest.robot.joints), torch.Generator().manual_seed(1)
    with skipping_absent_models(), batch(NUM, *small_ground(manifest), task=task) as env:
        ends = 0
        for _ in range(STEPS):
            result = env.step(0.3 * torch.randn(NUM, joints, generator=generator))
            ends += int((result.terminated | result.truncated).sum())
            assert torch.isfinite(result.reward).all() and not result.faults.any()
            assert torch.allclose(result.audit.rates.sum(dim=1) * env.step_dt, result.reward, atol=1e-4)
        for group in ("actor", "critic"):
            assert result.observations[group].shape == (NUM, observation_size(manifest, group))
        assert ends > 0
        begun = env.streams.episode.clone()
        env.reset()
        assert torch.equal(env.streams.episode, begun + 1)


def test_training_writes_a_run(tmp_path: Path) -> None:
    overrides = ["training.num_envs=16", "training.max_iterations=3"]
    manifest = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0", overrides)
    folder = train(manifest, runs=tmp_path, machine=Machine("isaaclab"))
    assert (folder / "model_3.pt").is_file() and (folder / "manifest.yaml").is_file()
