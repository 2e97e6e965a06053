"""Isaac Lab's own command `isaaclab` on surefoot's tasks, on the released 3.0, in processes of their own."""

import dataclasses
import importlib.util
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from live import skipping_absent_models
from surefoot.audit.record.record_file import read_record
from surefoot.manifest import Manifest, compose_manifest
from surefoot.mdp.observation_layout import observation_size
from surefoot.rl.policy import build_network, load_actor
from surefoot.runs import checkpoint
from surefoot_tasks import list_tasks, manifest_root
from surefoot_tasks.registration import env_cfg, play_id, task_ids

pytestmark = pytest.mark.usefixtures("on_newton")

if importlib.util.find_spec("isaaclab_newton") is not None:  # elsewhere every test of this folder is skipped
    import own_task

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
TRAIN = ("train", "--rl_library", "rsl_rl", "--device", "cpu", "--num_envs", "8")
PLAY = ("play", "--rl_library", "rsl_rl", "--device", "cpu", "--num_envs", "4", "physics=ovphysx")
Command = Callable[..., subprocess.CompletedProcess[str]]


@dataclasses.dataclass(frozen=True)
class Run:
    """A training that is over."""

    home: Path
    """Where the command was called."""
    folder: Path
    """Of its logs."""
    output: str


def trained(command: Command, home: Path, *arguments: str) -> Run:
    result = command(home, *TRAIN, *arguments)
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    newest = max((home / "logs/rsl_rl" / TASK).iterdir(), key=lambda path: path.stat().st_mtime)
    return Run(home, newest, result.stdout)


@pytest.fixture(scope="module")
def on_newton(tmp_path_factory: pytest.TempPathFactory, isaaclab_command: Command) -> Run:
    """Two iterations with an override of each kind."""
    overrides = (
        "env.rewards.torques.weight=-0.001", "env.manifest.task.actions.scale=0.4",
        "env.sim.physics.solver_cfg.iterations=7", "agent.algorithm.gamma=0.9", "agent.actor.hidden_dims=[32,16]",
    )  # fmt: skip
    home = tmp_path_factory.mktemp("newton")
    return trained(isaaclab_command, home, "--task", TASK, "--max_iterations", "2", *overrides)


@pytest.fixture(scope="module")
def on_physx(tmp_path_factory: pytest.TempPathFactory, isaaclab_command: Command) -> Run:
    """Two iterations on what `physx` is here, filmed."""
    arguments = ("--task", TASK, "--max_iterations", "2", "--video", "--video_length", "3", "physics=physx")
    return trained(isaaclab_command, tmp_path_factory.mktemp("physx"), *arguments)


def clips(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.mp4") if path.stat().st_size > 500)


def test_every_id_is_listed_without_a_callback(isaaclab_command: Command, tmp_path: Path) -> None:
    listed = isaaclab_command(tmp_path, "list_envs", "--keyword", "Surefoot").stdout
    assert {name for name in task_ids() if f" {name} " in listed} == set(task_ids())
    assert len(task_ids()) == 2 * len(list_tasks())


def test_in_a_checkout_the_list_is_that_of_the_project(isaaclab_command: Command) -> None:
    listed = isaaclab_command(Path(__file__).parent, "list_envs").stdout
    assert f" {TASK} " in listed
    assert " Isaac-" not in listed


def test_the_random_agent_runs(isaaclab_command: Command, tmp_path: Path) -> None:
    arguments = ("--task", TASK, "--num_envs", "4", "--device", "cpu", "--max_steps", "3", "--viz", "none")
    result = isaaclab_command(tmp_path, "random_agent", *arguments, "physics=ovphysx")
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    assert "Gym observation space" in result.stdout


def test_overrides_reach_managers_manifest_simulator_and_learning(on_newton: Run) -> None:
    loaded = checkpoint.load(on_newton.folder / "model_1.pt")
    manifest = loaded.manifest
    assert loaded.iteration == 1
    assert manifest.task.rewards["torques"].weight == -0.001
    assert manifest.task.actions.scale == 0.4
    assert manifest.training.num_envs == 8
    assert (manifest.training.max_iterations, manifest.ppo.gamma) == (2, 0.9)
    assert manifest.ppo.actor.hidden_dims == (32, 16)
    assert manifest.extension is None
    text = (on_newton.folder / "params/env.yaml").read_text()
    assert "iterations: 7" in text
    load_actor(loaded, manifest)


def test_without_its_note_the_manifest_comes_from_params(on_newton: Run, tmp_path: Path) -> None:
    path = on_newton.folder / "model_1.pt"
    content = torch.load(path, weights_only=True)
    assert content["infos"] is None
    del content["surefoot"]
    (tmp_path / "params").mkdir()
    (tmp_path / "params/env.yaml").write_bytes((on_newton.folder / "params/env.yaml").read_bytes())
    torch.save(content, tmp_path / path.name)
    assert checkpoint.load(tmp_path / path.name).manifest == checkpoint.load(path).manifest


def test_the_checkpoint_is_that_of_our_networks(on_physx: Run, go1_manifest: Manifest) -> None:
    content = torch.load(on_physx.folder / "model_1.pt", weights_only=True)
    ours = sum(value.numel() for value in content["actor_state_dict"].values())
    assert ours == sum(value.numel() for value in build_network(go1_manifest, "actor").state_dict().values())
    assert content["surefoot"]["samples"] == 2 * go1_manifest.ppo.num_steps_per_env * 8


def test_training_is_filmed_without_isaac_sim(on_physx: Run) -> None:
    assert clips(on_physx.folder / "videos/train") == ["clip_0000.mp4"]


def test_training_goes_on_from_the_latest_checkpoint(on_physx: Run, isaaclab_command: Command) -> None:
    more = ("--task", TASK, "--max_iterations", "1", "--checkpoint", "latest", "physics=ovphysx")
    again = trained(isaaclab_command, on_physx.home, *more)
    assert again.folder != on_physx.folder
    assert f"Loading model checkpoint from: {on_physx.folder}/model_1.pt" in again.output
    (before, after) = (checkpoint.load(path / "model_1.pt") for path in (on_physx.folder, again.folder))
    steps = after.manifest.ppo.num_steps_per_env
    samples = [loaded.content["infos"]["samples"] for loaded in (before, after)]
    assert samples == [2 * steps * 8, 3 * steps * 8]


@pytest.mark.parametrize("task", [TASK, play_id(TASK)])
def test_play_films_and_exports(task: str, on_physx: Run, isaaclab_command: Command, go1_manifest: Manifest) -> None:
    result = isaaclab_command(on_physx.home, *PLAY, "--task", task, "--video", "--video_length", "3")
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    newest = max((on_physx.home / "logs/rsl_rl" / TASK).iterdir(), key=lambda path: path.stat().st_mtime)
    assert any(clips(folder) for folder in newest.parent.glob("*/videos/play"))
    exported = next(newest.parent.glob("*/exported/policy.pt"))
    actor = torch.jit.load(str(exported))
    assert actor(torch.zeros(1, observation_size(go1_manifest, "actor"))).shape == (1, 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("physics=newton_mjwrap",), "newton_mjwarp"),
        (("env.observations.actor.joint_vel.history_length=3",), "env.observations.actor.joint_vel.history_length: "),
        (("env.manifest.task.actions.scale=-1.0",), "task.actions.scale"),
        (("env.manifest.task.rewards.torqes.weight=1.0",), "torqes"),
        (("--resume",), "--resume: Isaac Lab 3.0 has no such flag; go on with --checkpoint latest"),
        (("--headless",), "--headless: Isaac Lab 3.0 has no such flag"),
    ],
)
def test_wrong_names_are_refused(
    tmp_path: Path, isaaclab_command: Command, arguments: tuple[str, ...], message: str
) -> None:
    result = isaaclab_command(tmp_path, *TRAIN, "--task", TASK, "--max_iterations", "1", *arguments)
    assert result.returncode != 0
    assert message in result.stderr
    assert not list(tmp_path.rglob("*.pt"))


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory, isaaclab_command: Command) -> Run:
    """Two iterations of a user's own task."""
    callback = ("--task", own_task.ID, "--external_callback", "own_task.register")
    arguments = (*callback, "--max_iterations", "2", "physics=ovphysx", "env.rewards.forward.weight=0.7")
    return trained(isaaclab_command, tmp_path_factory.mktemp("extended"), *arguments)


def test_python_on_top_of_a_task_is_recorded(extended: Run) -> None:
    manifest = checkpoint.load(extended.folder / "model_1.pt").manifest
    assert manifest.extension is not None
    assert manifest.extension.added == ("rewards.forward", "terminations.never", "events.counted")
    assert manifest.extension.time_outs == ()
    assert manifest.task.rewards["torques"].weight == -0.002
    assert "action_jerk" not in manifest.task.rewards
    assert f"in Python: {manifest.extension.summary}" in extended.output


def test_the_accounts_have_the_added_terms(extended: Run) -> None:
    record = read_record(extended.folder, ("reward/mean_per_s", "reward/residual"))
    assert record.names("term")[-1] == "forward"
    assert record.names("cause")[-1] == "never"
    assert np.all(record.values["reward/mean_per_s"][:, -1] != 0.0)
    assert np.all(record.values["reward/residual"] < 1e-5)  # a term left out would be missing in the sum


def resolved(cfg: Any, *presets: str) -> Any:
    from isaaclab_tasks.utils.hydra import resolve_presets

    return resolve_presets(cfg, presets)


def test_added_terms_survive_in_the_managers() -> None:
    import gymnasium

    own_task.register()
    cfg = resolved(own_task.OwnCfg(), "ovphysx")
    cfg.scene.num_envs, cfg.sim.device = 4, "cpu"
    env: Any = gymnasium.make(own_task.ID, cfg=cfg).unwrapped
    try:
        assert env.reward_manager.active_terms[-1] == "forward"
        assert env.termination_manager.active_terms[-1] == "never"
        env.reset()
        for _ in range(12):
            env.step(torch.zeros(4, 12))
        assert env.own_events == 4  # 12 steps of 0.02 s, every 0.06 s
        speed = env.scene["robot"].data.root_lin_vel_b.torch[:, 0]
        torch.testing.assert_close(env.reward_manager._step_reward[:, -1], 0.5 * speed, rtol=1e-4, atol=1e-4)
    finally:
        env.close()


def test_the_hash_follows_configuration_and_source() -> None:
    from surefoot.engines.isaaclab.gym_cfg import settled

    def extension(weight: float = 0.5, func: Any = own_task.forward_speed) -> str:
        cfg = resolved(own_task.OwnCfg())
        cfg.rewards.forward.weight, cfg.rewards.forward.func = weight, func
        found = settled(cfg).extension
        assert found is not None
        return found.sha256

    def edited(env: Any) -> Any:  # the same name, another source
        return 2.0 * env.scene["robot"].data.root_lin_vel_b.torch[:, 0]

    edited.__module__, edited.__qualname__ = own_task.__name__, "forward_speed"
    hashes = [extension(), extension(0.6), extension(func=own_task.never), extension(func=edited), extension()]
    assert hashes[0] == hashes[4]
    assert len(set(hashes)) == 4


@pytest.mark.parametrize("physics", ["newton_mjwarp", "ovphysx", "isaacsim_physx", "physx"])
def test_every_backend_is_a_preset_and_holds_the_same_manifest(physics: str, go1_manifest: Manifest) -> None:
    from surefoot.engines.isaaclab.compat import presets
    from surefoot.engines.isaaclab.gym_cfg import settled

    cfg = resolved(env_cfg(TASK), physics)
    presets.resolve_physx(cfg.sim)
    assert presets.backend_of(cfg.sim) == ("ovphysx" if physics == "physx" else physics)
    package = {"newton_mjwarp": "isaaclab_newton", "isaacsim_physx": "isaaclab_physx"}.get(physics, "isaaclab_ov")
    assert type(cfg.scene.feet).__module__.partition(".")[0] == package
    assert settled(cfg) == go1_manifest


def test_physx_that_became_isaac_sims_is_still_the_manifests(go1_manifest: Manifest) -> None:
    from surefoot.engines.isaaclab.gym_cfg import settled

    cfg = resolved(env_cfg(TASK), "physx")
    cfg.sim.physics = cfg.sim.physics.isaacsim_physx  # what Isaac Lab does where something needs Kit
    assert settled(cfg) == go1_manifest


@pytest.mark.parametrize("task", list_tasks())
def test_play_is_without_pushes_noise_and_scattered_starts(task: str) -> None:
    from surefoot.engines.isaaclab.gym_cfg import settled

    with skipping_absent_models():
        by_mode, by_id = resolved(env_cfg(task)), resolved(env_cfg(play_id(task)))
    by_mode.play_mode()
    assert by_mode.scene.num_envs == by_id.scene.num_envs == 50
    manifest = settled(by_mode)
    assert manifest == settled(by_id)
    assert manifest.randomization.push.lin_vel_xy == manifest.randomization.push.ang_vel_z == 0.0
    assert not manifest.task.observations.actor.noise
    assert not manifest.task.resets.randomize_episode_start
    assert manifest.randomization.factors == compose_manifest(manifest_root(), task).randomization.factors


@pytest.mark.parametrize("task", list_tasks())
def test_every_task_has_configurations(task: str) -> None:
    import gymnasium
    from isaaclab_tasks.utils.parse_cfg import load_cfg_from_registry

    from surefoot.engines.isaaclab.compat import presets
    from surefoot_tasks import registered

    assert registered
    manifest = compose_manifest(manifest_root(), task)
    assert gymnasium.spec(task).entry_point == "surefoot.engines.isaaclab.gym_env:SurefootGymEnv"
    with skipping_absent_models():
        cfg = resolved(load_cfg_from_registry(task, "env_cfg_entry_point"))
    assert presets.backend_of(cfg.sim) == "newton_mjwarp"
    assert {name: term.weight for name, term in cfg.rewards.items()} == {
        name: term.weight for name, term in manifest.task.rewards.items()
    }
    agent = load_cfg_from_registry(task, "rsl_rl_cfg_entry_point")
    assert agent.to_dict()["num_steps_per_env"] == manifest.ppo.num_steps_per_env
