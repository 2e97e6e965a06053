"""The evaluator on a real simulator: robots whose numbers are known, a recount by hand, and repeatability."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from surefoot.engines import load_engine
from surefoot.evaluation import CommandGrid, GridResult, evaluate_grid, grid_manifest, summarize
from surefoot.manifest import Manifest, compose_manifest, override_manifest
from surefoot_tasks import manifest_root

pytest.importorskip("mjbatch")

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
DT = 0.02
CALM = [f"task.resets.{name}=[0,0]" for name in ("lin_vel", "ang_vel", "joint_pos")]
"""Overrides: episodes start at rest in the default pose."""


@pytest.fixture(scope="module")
def go1() -> Manifest:
    return compose_manifest(manifest_root(), TASK)


def make(manifest: Manifest, grid: CommandGrid, seed: int = 0, num_threads: int = 1):
    manifest = grid_manifest(manifest, grid, seed)
    engine = load_engine("mujoco")
    size = {"num_envs": grid.num_envs, "replicates": grid.replicates}
    return engine.make_env(manifest, device="cpu", num_threads=num_threads, evaluation=True, **size)


def run(manifest: Manifest, grid: CommandGrid, policy: Callable[[Tensor], Tensor], **kwargs) -> GridResult:
    return evaluate_grid(make(manifest, grid, **kwargs), policy, grid)


def stand(obs: Tensor) -> Tensor:
    """Hold the default pose."""
    return torch.zeros(len(obs), 12)


def flip(obs: Tensor) -> Tensor:
    """Fold the right legs and stretch the left ones: the robot rolls onto its side."""
    right, left = [0.0, 2.0, -2.0], [0.0, -1.0, 1.8]
    return torch.tensor((right + left) * 2).expand(len(obs), 12)


def wobble(obs: Tensor) -> Tensor:
    """A deterministic function of what is observed, large enough that some robots fall within two seconds."""
    weights = torch.sin(torch.arange(obs.shape[1] * 12, dtype=torch.float32)).reshape(obs.shape[1], 12)
    return 0.15 * torch.tanh(obs @ weights)


def test_a_standing_robot_scores_585_and_333(go1: Manifest):
    grid = CommandGrid(replicates=1)
    summary = summarize(run(override_manifest(go1, CALM), grid, stand))
    assert summary.rates.failures == 0
    assert summary.rates.survival_time == 10.0
    # Mean length of the commanded velocities, and 2/3 of 0.5 rad/s. Soft motors rock for some seconds after the start.
    assert summary.lin_vel_error.value == pytest.approx(0.585, abs=0.005)
    assert summary.lin_vel_error_after_warm_up.value == pytest.approx(0.585, abs=0.003)
    assert summary.yaw_rate_error.value == pytest.approx(1 / 3, abs=0.002)
    assert summary.cost_of_transport is None


def test_a_standing_robot_told_to_stand_has_no_error(go1: Manifest):
    grid = CommandGrid((0.0,), (0.0,), (0.0,), replicates=4)
    summary = summarize(run(override_manifest(go1, CALM), grid, stand))
    assert summary.lin_vel_error.value < 0.03
    assert summary.lin_vel_error_after_warm_up.value < 0.01
    assert summary.yaw_rate_error_after_warm_up.value < 0.001
    assert summary.rates.success_rate == 1.0


def test_a_robot_that_flips_falls_every_time_and_soon(go1: Manifest):
    grid = CommandGrid(replicates=1, duration=3.0)
    result = run(go1, grid, flip)
    rates = summarize(result).rates
    assert (rates.valid, rates.failures) == (36, 36)
    assert rates.fall_rate.low == pytest.approx(36 / (36 + 1.959964**2))  # Wilson at n of n: n / (n + z^2)
    assert rates.fall_rate.high == 1.0
    assert 0.1 < rates.survival_time < 1.5
    assert rates.success_rate == 0.0


def by_hand(env, policy: Callable[[Tensor], Tensor], grid: CommandGrid) -> list[dict[str, float]]:
    """Measure one environment after the other in plain Python from qpos and qvel."""
    commands = grid.env_commands()
    env.commands.hold(commands)
    env.reset()
    obs = env.get_observations()["actor"]
    records = [{"lin": [], "yaw": [], "path": 0.0, "energy": 0.0, "end": None} for _ in range(grid.num_envs)]
    for step in range(1, grid.steps(DT) + 1):
        result = env.step(policy(obs))
        obs = result.observations["actor"]
        qpos, qvel = env.sim.data.qpos[:].numpy().astype(float), env.sim.data.qvel[:].numpy().astype(float)
        torque = env.sim.data.qfrc_actuator[:].numpy().astype(float)
        for i, record in enumerate(records):
            if record["end"] is not None:
                continue
            if result.terminated[i]:
                record["end"] = step
                continue
            w, x, y, z = qpos[i, 3:7]
            yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
            forward = math.cos(yaw) * qvel[i, 0] + math.sin(yaw) * qvel[i, 1]
            left = math.cos(yaw) * qvel[i, 1] - math.sin(yaw) * qvel[i, 0]
            up_in_base = np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])
            vx, vy, yaw_rate = commands[i].tolist()
            record["lin"].append(math.hypot(vx - forward, vy - left))
            record["yaw"].append(abs(yaw_rate - float(up_in_base @ qvel[i, 3:6])))
            record["path"] += math.hypot(qvel[i, 0], qvel[i, 1]) * DT
            record["energy"] += float(np.abs(torque[i, 6:] * qvel[i, 6:]).sum()) * DT
    return records


def test_a_recount_by_hand_gives_the_same(go1: Manifest):
    grid = CommandGrid((-0.5, 1.0), (0.3,), (-0.5, 0.5), duration=2.0, replicates=4)
    episodes = run(go1, grid, wobble, seed=3).episodes.reshape(grid.num_envs)
    records = by_hand(make(go1, grid, seed=3), wobble, grid)
    fell = [record["end"] is not None for record in records]
    assert 0 < sum(fell) < len(fell), "the policy should make some robots fall, not all"
    assert episodes.failed.tolist() == fell
    assert episodes.survival_time.tolist() == pytest.approx([(record["end"] or 100) * DT for record in records])
    for name, key in (("lin_vel_error", "lin"), ("yaw_rate_error", "yaw")):
        expected = [np.mean(record[key]) for record in records]
        assert getattr(episodes, name).tolist() == pytest.approx(expected, rel=1e-4), name
    late = [np.mean(record["lin"][50:]) if len(record["lin"]) > 50 else math.nan for record in records]
    assert episodes.lin_vel_error_after_warm_up.tolist() == pytest.approx(late, rel=1e-4, nan_ok=True)
    assert episodes.path.tolist() == pytest.approx([record["path"] for record in records], rel=1e-4)
    assert episodes.energy.tolist() == pytest.approx([record["energy"] for record in records], rel=1e-4)


def test_same_seed_same_result_on_any_number_of_threads(go1: Manifest):
    grid = CommandGrid(duration=1.0, replicates=1)
    one = run(go1, grid, wobble).episodes
    for other in (run(go1, grid, wobble).episodes, run(go1, grid, wobble, num_threads=2).episodes):
        for name, value in vars(one).items():
            assert torch.equal(value.nan_to_num(-1.0), getattr(other, name).nan_to_num(-1.0)), name
    changed = run(go1, grid, wobble, seed=1).episodes
    assert not torch.equal(one.lin_vel_error, changed.lin_vel_error)


def test_a_robot_does_not_depend_on_the_batch_that_it_runs_in(go1: Manifest):
    nominal = ["randomization.factors.friction.edges=[0.8,0.8]", "randomization.factors.payload_mass.edges=[0,0]"]
    manifest = override_manifest(go1, [*CALM, "task.resets.yaw=[0,0]", "task.resets.position_xy=[0,0]", *nominal])
    small, large = CommandGrid(replicates=1, duration=1.0), CommandGrid(replicates=3, duration=1.0)
    one, three = run(manifest, small, flip).episodes, run(manifest, large, flip).episodes
    assert torch.equal(one.survival_time.expand(-1, 3), three.survival_time)
    torch.testing.assert_close(one.lin_vel_error.expand(-1, 3), three.lin_vel_error, rtol=1e-4, atol=1e-4)


def test_commands_are_held_and_nobody_pushes(go1: Manifest):
    pushy = override_manifest(go1, [*CALM, "randomization.push.interval=[0.1,0.1]", "randomization.push.lin_vel_xy=2"])
    grid = CommandGrid(replicates=1, duration=8.5)  # longer than the longest time between new commands
    env = make(pushy, grid)
    result = evaluate_grid(env, stand, grid)
    assert torch.equal(env.robot_state.read("command"), grid.env_commands())
    assert not result.episodes.failed.any()
    assert result.episodes.path.max() < 0.25  # one push alone is 2 m/s


def test_mass_is_the_simulated_one(go1: Manifest):
    grid = CommandGrid(replicates=1)
    heavier = override_manifest(go1, ["randomization.factors.payload_mass.edges=[1.5,1.5]"])
    mass = make(heavier, grid).total_mass()
    assert mass.tolist() == pytest.approx([12.743448 + 1.5] * 36)  # go1.xml's bodies, and the payload
    assert make(go1, grid).total_mass().std() > 0.1


def test_a_broken_simulation_is_a_fault_not_a_survivor(go1: Manifest, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """MuJoCo puts a robot whose state is not finite back to its start pose, silently, and it would stand on."""
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings to a file in the working directory
    grid = CommandGrid((0.0,), (0.0,), (0.0,), replicates=4, duration=1.0)
    env = make(override_manifest(go1, CALM), grid)
    calls = iter(range(1000))

    def sabotage(obs: Tensor) -> Tensor:
        step = next(calls)
        if step == 5:
            env.sim.data.qvel[1, 3] = math.nan
        action = stand(obs)
        if step == 10:
            action[2] = math.nan
        return action

    result = evaluate_grid(env, sabotage, grid)
    assert result.episodes.faulted.flatten().tolist() == [False, True, True, False]
    assert summarize(result).rates.valid == 2
    assert summarize(result).rates.failures == 0
