"""A quick part of the bench of planted defects; `scripts/bench_defects.py` runs them all."""

import json
from pathlib import Path

import pytest

import engines_here
from surefoot.defects import bench
from surefoot.defects.registry import DEFECTS, KINDS
from surefoot.errors import UnknownName
from surefoot.manifest import compose_manifest
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot_tasks import manifest_root

pytestmark = pytest.mark.skipif("mujoco" not in engines_here.here(), reason="the bench runs on MuJoCo")
QUICK = {
    "reward_times_dt_twice": "reward_term",
    "falls_are_time_outs": "lying_robots episode_ends",
    "falls_bootstrapped": "ppo_bootstrap",
    "advantages_ignore_ends": "ppo_advantages",
    "normaliser_frozen": "normaliser",
    "left_and_right_exchanged": "observation_value",
    "noise_off": "observation_noise",
    "command_twice_as_large": "command_draws",
    "start_velocity_ten_times": "start_draws",
    "payload_recorded_and_not_applied": "factor_value",
    "kicks_never_arrive": "kicks",
    "action_one_step_late": "motor_law",
    "contact_always_false": "dead_contact",
    "steps_counted_twice": "step_count",
}


@pytest.mark.parametrize("name", QUICK)
def test_a_defect_is_named_by_the_alert_that_looks_for_it(name: str) -> None:
    bench.chosen([name])
    outcome = bench.run_defect(DEFECTS[name], manifest_root(), num_envs=64, iterations=12)
    assert outcome.found is not None, bench.line(outcome)
    assert outcome.found.kind in QUICK[name].split()


def test_a_clean_run_raises_nothing() -> None:
    outcome = bench.run_clean(bench.GO1_FLAT, manifest_root(), num_envs=64, iterations=12)
    assert (outcome.alerts, outcome.refused, outcome.crashed, outcome.iterations) == ([], "", "", 12)


def test_the_registry_covers_every_kind_and_refuses_what_it_does_not_know() -> None:
    defects = bench.chosen([])
    assert {one.kind for one in defects} == set(KINDS) and len(defects) >= 60
    assert all(one.meaning and one.place for one in defects)
    with pytest.raises(UnknownName, match="reward_sign"):
        bench.chosen(["reward_sing"])


def test_a_broken_update_names_the_iteration_the_number_and_where_to_go_on(tmp_path: Path) -> None:
    overrides = ("training.num_envs=32", "training.save_interval=1", "training.logger=none")
    manifest = compose_manifest(manifest_root(), bench.GO1_FLAT, list(overrides))
    builder = engines_here.Builder("mujoco")
    runner = TrainRunner(SurefootVecEnv(builder(manifest, num_threads=1)), manifest, tmp_path)
    DEFECTS["update_not_finite"].plant(runner)
    with pytest.raises(Exception, match=r"diverged at iteration 3: actor's gradient is nan[\s\S]*model_2\.pt"):
        runner.train(5)
    builder.close()
    silent = json.loads((tmp_path / "silent_detectors.json").read_text())
    assert silent["kl"] == "2 iterations, 10 are needed" and "memory_growth" in silent


def test_a_kind_that_is_ignored_is_silent_and_says_so() -> None:
    one = DEFECTS["reward_times_dt_twice"]
    ignored = bench.Defect(**{**vars(one), "overrides": ("audit.actions.reward_term=ignore",)})
    outcome = bench.run_defect(ignored, manifest_root(), num_envs=32, iterations=4)
    assert outcome.alerts == [] and outcome.iterations == 4


def test_every_reset_of_all_environments_scatters_the_clocks_where_the_manifest_says_so() -> None:
    manifest = compose_manifest(manifest_root(), bench.GO1_FLAT, ["training.num_envs=16"])
    builder = engines_here.Builder("mujoco")
    env = builder(manifest, num_threads=1)
    first = env.episode_length_buf.clone()
    env.reset()
    builder.close()
    assert env.episode_length_buf.tolist() == first.tolist() and len(set(first.tolist())) > 10


def test_kicks_that_never_come_are_not_called_trained() -> None:
    late = compose_manifest(manifest_root(), bench.GO1_FLAT, ["task.episode_length=4.0"])
    assert not late.has_kicks and compose_manifest(manifest_root(), bench.GO1_FLAT, []).has_kicks
