"""The evaluator on a real simulator: robots whose numbers are known, a recount by hand, and repeatability."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from surefoot.evaluation.drawn import drawn_manifest
from surefoot.evaluation.evaluate import COMMAND_GRID, build_env, choose_panel
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.report import episode_values
from surefoot.evaluation.rollout import PanelResult, run_cells
from surefoot.evaluation.statistics import mean_over_cells, wilson_interval
from surefoot.machine import Machine
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


def grid(*commands: tuple[float, float, float], **changes) -> Panel:
    """The shipped grid, or some of its commands."""
    panel = choose_panel(COMMAND_GRID, manifest_root(), changes)
    cells = {name: cell for name, cell in panel.cells.items() if not commands or cell.commands[0][1:] in commands}
    assert len(cells) == (len(commands) or 36)
    return panel.model_copy(update={"cells": cells})


def make(manifest: Manifest, panel: Panel, num_threads: int = 1):
    return build_env(Machine(threads=num_threads), panel, drawn_manifest(manifest, panel))


def run(manifest: Manifest, panel: Panel, policy: Callable[[Tensor], Tensor], num_threads: int = 1) -> PanelResult:
    return run_cells(make(manifest, panel, num_threads), policy, panel)


def over_cells(result: PanelResult, metric: str) -> float:
    found = mean_over_cells(torch.tensor(episode_values(result)[metric]))
    assert found is not None
    return found.value


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


@pytest.mark.parametrize(("warm_up", "within"), [(0.0, 0.005), (1.0, 0.003)])
def test_a_standing_robot_scores_585_and_333(go1: Manifest, warm_up: float, within: float):
    result = run(override_manifest(go1, CALM), grid(replicates=1, warm_up=warm_up), stand)
    assert not result.episodes.failed.any()
    assert result.episodes.survival_time.unique().tolist() == [10.0]
    # Mean length of the commanded velocities, and 2/3 of 0.5 rad/s. Soft motors rock for some seconds after the start.
    assert over_cells(result, "lin_vel_error") == pytest.approx(0.585, abs=within)
    assert over_cells(result, "yaw_rate_error") == pytest.approx(1 / 3, abs=0.002)
    assert np.isnan(episode_values(result)["cost_of_transport"]).all()


def test_a_standing_robot_told_to_stand_has_no_error(go1: Manifest):
    calm, told = override_manifest(go1, CALM), (0.0, 0.0, 0.0)
    whole, late = (run(calm, grid(told, replicates=4, warm_up=warm_up), stand) for warm_up in (0.0, 1.0))
    assert over_cells(whole, "lin_vel_error") < 0.03
    assert over_cells(late, "lin_vel_error") < 0.01
    assert over_cells(late, "yaw_rate_error") < 0.001
    assert (episode_values(whole)["success_rate"] == 1.0).all()


def test_a_robot_that_flips_falls_every_time_and_soon(go1: Manifest):
    result = run(go1, grid(replicates=1, duration=3.0), flip)
    values = episode_values(result)
    assert result.episodes.valid.all() and result.episodes.failed.all()
    assert wilson_interval(36, 36).low == pytest.approx(36 / (36 + 1.959964**2))  # Wilson at n of n: n / (n + z^2)
    assert 0.1 < values["survival_time"].mean() < 1.5
    assert (values["success_rate"] == 0.0).all()


def by_hand(env, policy: Callable[[Tensor], Tensor], panel: Panel) -> list[dict[str, float]]:
    """Measure one environment after the other in plain Python from qpos and qvel."""
    commands = commands_of(panel)
    env.commands.hold(commands)
    env.reset()
    obs = env.get_observations()["actor"]
    records = [{"lin": [], "yaw": [], "path": 0.0, "energy": 0.0, "end": None} for _ in range(panel.num_envs)]
    for step in range(1, round(panel.duration / DT) + 1):
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


def commands_of(panel: Panel) -> Tensor:
    """Of each environment. Shape (N, 3)."""
    rows = torch.tensor([cell.commands[0][1:] for cell in panel.cells.values()])
    return rows.repeat_interleave(panel.replicates, dim=0)


def test_a_recount_by_hand_gives_the_same(go1: Manifest):
    some = [(vx, 0.3, yaw) for vx in (-0.5, 1.0) for yaw in (-0.5, 0.5)]
    panel = grid(*some, duration=2.0, replicates=4, seed=3)
    episodes = run(go1, panel, wobble).episodes.reshape(panel.num_envs)
    late = run(go1, panel.model_copy(update={"warm_up": 1.0}), wobble).episodes.reshape(panel.num_envs)
    records = by_hand(make(go1, panel), wobble, panel)
    fell = [record["end"] is not None for record in records]
    assert 0 < sum(fell) < len(fell), "the policy should make some robots fall, not all"
    assert episodes.failed.tolist() == fell
    assert episodes.survival_time.tolist() == pytest.approx([(record["end"] or 100) * DT for record in records])
    for name, key in (("lin_vel_error", "lin"), ("yaw_rate_error", "yaw")):
        expected = [np.mean(record[key]) for record in records]
        assert getattr(episodes, name).tolist() == pytest.approx(expected, rel=1e-4), name
    expected = [np.mean(record["lin"][50:]) if len(record["lin"]) > 50 else math.nan for record in records]
    assert late.lin_vel_error.tolist() == pytest.approx(expected, rel=1e-4, nan_ok=True)
    mass = make(go1, panel).total_mass().tolist()
    cost = [record["energy"] / (9.81 * m * record["path"]) if record["path"] >= 1.0 else math.nan
            for record, m in zip(records, mass, strict=True)]  # fmt: skip
    assert episodes.cost_of_transport.tolist() == pytest.approx(cost, rel=1e-4, nan_ok=True)


def test_same_seed_same_result_on_any_number_of_threads(go1: Manifest):
    panel = grid(duration=1.0, replicates=1)
    one = run(go1, panel, wobble).episodes
    for other in (run(go1, panel, wobble).episodes, run(go1, panel, wobble, num_threads=2).episodes):
        for name, value in vars(one).items():
            assert torch.equal(value.nan_to_num(-1.0), getattr(other, name).nan_to_num(-1.0)), name
    changed = run(go1, grid(duration=1.0, replicates=1, seed=1), wobble).episodes
    assert not torch.equal(one.lin_vel_error, changed.lin_vel_error)


def test_a_robot_does_not_depend_on_the_batch_that_it_runs_in(go1: Manifest):
    nominal = ["randomization.factors.friction.edges=[0.8,0.8]", "randomization.factors.payload_mass.edges=[0,0]"]
    manifest = override_manifest(go1, [*CALM, "task.resets.yaw=[0,0]", "task.resets.position_xy=[0,0]", *nominal])
    small, large = grid(replicates=1, duration=1.0), grid(replicates=3, duration=1.0)
    one, three = run(manifest, small, flip).episodes, run(manifest, large, flip).episodes
    assert torch.equal(one.survival_time.expand(-1, 3), three.survival_time)
    torch.testing.assert_close(one.lin_vel_error.expand(-1, 3), three.lin_vel_error, rtol=1e-4, atol=1e-4)


def test_commands_are_held_and_nobody_pushes(go1: Manifest):
    pushes = ["randomization.push.interval=[0.1,0.1]", "randomization.push.lin_vel_xy=2"]
    pushy = override_manifest(go1, [*CALM, *pushes, "task.resets.position_xy=[0,0]"])
    panel = grid(replicates=1, duration=8.5)  # longer than the longest time between new commands
    env = make(pushy, panel)
    start = env.robot_state.read("base_pos_w").clone()
    result = run_cells(env, stand, panel)
    assert torch.equal(env.robot_state.read("command"), commands_of(panel))
    assert not result.episodes.failed.any()
    assert (env.robot_state.read("base_pos_w") - start)[:, :2].norm(dim=1).max() < 0.25  # one push alone is 2 m/s


def test_mass_is_the_simulated_one(go1: Manifest):
    panel = grid(replicates=1)
    heavier = override_manifest(go1, ["randomization.factors.payload_mass.edges=[1.5,1.5]"])
    mass = make(heavier, panel).total_mass()
    assert mass.tolist() == pytest.approx([12.743448 + 1.5] * 36)  # go1.xml's bodies, and the payload
    assert make(go1, panel).total_mass().std() > 0.1


def test_a_broken_simulation_is_a_fault_not_a_survivor(go1: Manifest, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """MuJoCo puts a robot whose state is not finite back to its start pose, silently, and it would stand on."""
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings to a file in the working directory
    panel = grid((0.0, 0.0, 0.0), replicates=4, duration=1.0)
    env = make(override_manifest(go1, CALM), panel)
    calls = iter(range(1000))

    def sabotage(obs: Tensor) -> Tensor:
        step = next(calls)
        if step == 5:
            env.sim.data.qvel[1, 3] = math.nan
        action = stand(obs)
        if step == 10:
            action[2] = math.nan
        return action

    result = run_cells(env, sabotage, panel)
    assert result.episodes.faulted.flatten().tolist() == [False, True, True, False]
    assert not result.episodes.failed.any()
