"""The command grid comes out of the panel's path to the last bit: the reason why one of the two can go."""

import math
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from surefoot.engines import load_engine
from surefoot.evaluation import CommandGrid, cell_rollout, command_rows, evaluate_grid, grid_manifest
from surefoot.evaluation.cell_episodes import CellRecorder
from surefoot.evaluation.drawn import drawn_env, drawn_manifest, in_order
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.panel_files import load_panel
from surefoot.manifest import Manifest, compose_manifest
from surefoot.rl.policy import load_policy
from surefoot.runs import checkpoint as checkpoints
from surefoot_tasks import manifest_root

pytest.importorskip("mjbatch")

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
CHECKPOINT = os.environ.get("SUREFOOT_GOLDEN_CHECKPOINT", "")
"""Of a real policy, for the whole grid; without it a made-up policy walks a short one."""


def wobble(obs: Tensor) -> Tensor:
    weights = torch.sin(torch.arange(obs.shape[1] * 12, dtype=torch.float32)).reshape(obs.shape[1], 12)
    return 0.15 * torch.tanh(obs @ weights)


def by_panel(task: Manifest, panel: Panel, policy) -> tuple[cell_rollout.PanelResult, CellRecorder]:
    kept: list[CellRecorder] = []

    class Kept(CellRecorder):
        def __init__(self, *args) -> None:
            super().__init__(*args)
            kept.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell_rollout, "CellRecorder", Kept)
        env = drawn_env(load_engine("mujoco"), drawn_manifest(task, panel), panel, "cpu", 1)
        result = cell_rollout.run_cells(env, policy, panel)
        env.close()
    return result, kept[0]


def test_bit_by_bit():
    task, policy, changes = compose_manifest(manifest_root(), TASK), wobble, {"duration": 3.0, "replicates": 3}
    if CHECKPOINT:
        loaded = checkpoints.load(Path(CHECKPOINT))
        task, changes = loaded.manifest, {}
        policy = load_policy(loaded, task, "cpu")
    grid = CommandGrid(**changes)
    panel = in_order(load_panel("command_grid_v3", manifest_root())).model_copy(update=changes)
    assert [cell.commands[0][1:] for cell in panel.cells.values()] == grid.cells()

    manifest = grid_manifest(task, grid, 0)
    assert drawn_manifest(task, panel).sha256 == manifest.sha256
    size = {"num_envs": grid.num_envs, "replicates": grid.replicates}
    env = load_engine("mujoco").make_env(manifest, device="cpu", num_threads=1, evaluation=True, **size)
    old = evaluate_grid(env, policy, grid)
    env.close()
    new, recorder = by_panel(task, panel, policy)
    late, _ = by_panel(task, panel.model_copy(update={"warm_up": grid.warm_up}), policy)

    power, speed = recorder._sums[2], recorder._sums[3]
    dt, shape = task.simulation.step_dt, old.episodes.path.shape
    columns = {
        **{name: getattr(new.episodes, name) for name in vars(old.episodes) if hasattr(new.episodes, name)},
        "lin_vel_error_after_warm_up": late.episodes.lin_vel_error,
        "yaw_rate_error_after_warm_up": late.episodes.yaw_rate_error,
        "energy": (power * dt).reshape(shape),
        "path": (speed * dt).reshape(shape),
        "mass": recorder._mass.reshape(shape),
    }
    assert columns.keys() == vars(old.episodes).keys()
    for name, value in vars(old.episodes).items():
        torch.testing.assert_close(columns[name], value, rtol=0, atol=0, equal_nan=True, msg=name)
    assert new.buckets == old.bucket_labels
    print(f"\n{value.numel()} episodes, {int(old.episodes.failed.sum())} falls, equal to the last bit: {[*columns]}")

    # Of one episode the two costs of transport are one formula; they part where episodes of a command are put together.
    for row, (_, vx, vy, _) in enumerate(cell.commands[0] for cell in panel.cells.values()):
        for place in range(grid.replicates):
            energy, mass, path = (getattr(old.episodes, name)[row, place] for name in ("energy", "mass", "path"))
            counted = path >= 1.0 and math.hypot(vx, vy) >= 0.1
            expected = energy / (mass * 9.81 * path) if counted else torch.tensor(math.nan, dtype=torch.float64)
            cost = new.episodes.cost_of_transport[row, place]
            assert torch.equal(cost, expected) or (cost.isnan() and expected.isnan()), (row, place)
    print(f"cost of transport: {sum(row.cost_of_transport is not None for row in command_rows(old))} of 36 commands")
