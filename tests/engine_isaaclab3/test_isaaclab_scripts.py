"""Isaac Lab's own train.py and play.py on a surefoot task, in processes of their own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from live import skipping_absent_models
from surefoot.manifest import Manifest, compose_manifest, validate
from surefoot.mdp.layout import observation_size
from surefoot.rl.policy import build_network
from surefoot_tasks import list_tasks, manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
COMMON = (
    "--rl_library", "rsl_rl", "--task", TASK, "--external_callback", "surefoot_tasks.registration.register",
    "--device", "cpu", "--headless",
)  # fmt: skip


class Loader(yaml.SafeLoader):
    """Isaac Lab writes tuples and functions with tags of Python's; they are read as plain lists and None."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/tuple", lambda loader, _, node: loader.construct_sequence(node))
Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, _, node: None)


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def script(folder: Path, scripts: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(scripts / name), *COMMON, *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=400)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, isaaclab_scripts: Path) -> Path:
    """A training of three iterations with an override of each kind; the folder of its log."""
    folder = tmp_path_factory.mktemp("isaaclab")
    overrides = (
        "physics=newton_mjwarp", "env.rewards.torques.weight=-0.001", "env.manifest.task.actions.scale=0.4",
        "env.sim.physics.solver_cfg.iterations=7", "agent.algorithm.gamma=0.9",
    )  # fmt: skip
    result = script(folder, isaaclab_scripts, "train.py", "--num_envs", "16", "--max_iterations", "3", *overrides)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "Training time" in result.stdout
    return next((folder / "logs/rsl_rl" / TASK).iterdir())


def test_overrides_reach_managers_manifest_and_simulator(run: Path) -> None:
    env = yaml.load((run / "params/env.yaml").read_text(), Loader)
    agent = yaml.load((run / "params/agent.yaml").read_text(), Loader)
    manifest = validate(env["manifest"], "env.yaml")
    assert manifest.task.rewards["torques"].weight == env["rewards"]["torques"]["weight"] == -0.001
    assert manifest.task.actions.scale == 0.4
    assert manifest.training.num_envs == env["scene"]["num_envs"] == 16
    assert env["sim"]["physics"]["solver_cfg"]["iterations"] == 7
    assert agent["algorithm"]["gamma"] == 0.9
    assert agent["algorithm"]["class_name"] == "surefoot.rl.ppo:MaskedPPO"


def test_the_checkpoint_is_that_of_our_networks(run: Path, go1_manifest: Manifest) -> None:
    content = torch.load(run / "model_2.pt", weights_only=True)
    ours = sum(value.numel() for value in content["actor_state_dict"].values())
    assert ours == sum(value.numel() for value in build_network(go1_manifest, "actor").state_dict().values())


def test_play_runs_and_exports_the_policy(run: Path, isaaclab_scripts: Path, go1_manifest: Manifest) -> None:
    command = [sys.executable, str(isaaclab_scripts / "play.py"), *COMMON, "--num_envs", "4"]
    exported = run / "exported"
    with open(run / "play.log", "w") as log:
        play = subprocess.Popen(command, cwd=run.parents[3], env=environment(), stdout=log, stderr=log)
        try:
            for _ in range(200):
                if (exported / "policy.onnx").is_file() or play.poll() is not None:
                    break
                time.sleep(1.0)
            time.sleep(5.0)  # it plays until it is stopped
            assert play.poll() is None, (run / "play.log").read_text()[-3000:]
        finally:
            play.terminate()  # not SIGINT, which what is started in the background ignores
            play.wait(60)
    actor = torch.jit.load(str(exported / "policy.pt"))
    assert actor(torch.zeros(1, observation_size(go1_manifest, "actor"))).shape == (1, 12)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("physics=newton_mjwrap", "newton_mjwarp"),
        ("env.observations.actor.joint_vel.history_length=3", "env.observations.actor.joint_vel.history_length: this"),
        ("env.manifest.task.actions.scale=-1.0", "task.actions.scale"),
        ("env.manifest.task.rewards.torqes.weight=1.0", "torqes"),
    ],
)
def test_wrong_names_are_refused(tmp_path: Path, isaaclab_scripts: Path, override: str, message: str) -> None:
    result = script(tmp_path, isaaclab_scripts, "train.py", "--num_envs", "4", "--max_iterations", "1", override)
    assert result.returncode != 0
    assert message in result.stderr


@pytest.mark.parametrize("task", list_tasks())
def test_every_task_has_configurations(task: str) -> None:
    import gymnasium
    from isaaclab_tasks.utils.hydra import resolve_presets
    from isaaclab_tasks.utils.parse_cfg import load_cfg_from_registry

    from surefoot.engines.isaaclab.compat import presets
    from surefoot_tasks import registered

    assert registered
    manifest = compose_manifest(manifest_root(), task)
    assert gymnasium.spec(task).entry_point == "surefoot.engines.isaaclab.gym_env:SurefootGymEnv"
    with skipping_absent_models():
        cfg = resolve_presets(load_cfg_from_registry(task, "env_cfg_entry_point"))
    assert presets.backend_of(cfg.sim) == "newton_mjwarp"
    assert {name: term.weight for name, term in cfg.rewards.items()} == {
        name: term.weight for name, term in manifest.task.rewards.items()
    }
    agent = load_cfg_from_registry(task, "rsl_rl_cfg_entry_point")
    assert agent.to_dict()["num_steps_per_env"] == manifest.ppo.num_steps_per_env
