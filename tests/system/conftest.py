"""Tests of this folder that take `engine` run on each engine that is here; see `engines_here`."""

from pathlib import Path

import pytest

import engines_here
from surefoot.manifest import compose_manifest, write_manifest
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
TRAINED_WITH = ["training.num_envs=16", "ppo.actor.hidden_dims=[32,32]", "task.actions.scale=0.4"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    engines_here.parametrize(metafunc)


@pytest.fixture(scope="session")
def checkpoint(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with model_2.pt, trained with an action scale that is not the task's; tests only read it."""
    folder = tmp_path_factory.mktemp("run")
    manifest = compose_manifest(manifest_root(), TASK, TRAINED_WITH)
    write_manifest(manifest, folder)
    builder = engines_here.Builder(engine)
    env = builder(manifest, num_threads=1)
    TrainRunner(SurefootVecEnv(env), manifest, folder).train(2)
    builder.close()
    return folder / "model_2.pt"
