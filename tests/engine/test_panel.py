"""Panels on a real simulator: conditions that arrive, results that depend on nothing else, refusals before a start."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from surefoot.engines import load_engine
from surefoot.errors import CheckpointError, ManifestError, PanelError
from surefoot.evaluation import evaluate as run
from surefoot.evaluation.conditions import panel_conditions, panel_manifest
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.panel_files import read_panel
from surefoot.evaluation.rollout import run_cells
from surefoot.machine import Machine
from surefoot.manifest import Manifest, compose_manifest, override_manifest
from surefoot_tasks import manifest_root

pytest.importorskip("mjbatch")

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
START = {"position_xy": [0, 0], "yaw": [-3, 3], "lin_vel": [-0.2, 0.2], "ang_vel": [-0.2, 0.2],
         "joint_pos": [-0.05, 0.05], "joint_vel": [0, 0]}  # fmt: skip
CALM = {name: [0, 0] for name in START}
WHY = "a cell that a test made for itself"
CELLS = {
    "nominal": {}, "ice": {"friction": 0.1}, "heavy": {"payload_mass": 3.0}, "weak": {"motor_strength": 0.6},
    "rear": {"payload_mass": 1.0, "payload_x": -0.2}, "late": {"control_delay": 0.02, "observation_delay": 0.02},
    "kicked": {"kicks": [{"at": 0.4, "phase": 0.25, "lin_vel": 1.0, "direction_deg": 90}]},
    "noisy": {"noise_level": 2.0, "sensor_bias": 1.0}, "changing": {"commands": [[0, 0.5, 0, 0], [0.5, 0, 0, 0]]},
}  # fmt: skip


@pytest.fixture(scope="module")
def go1() -> Manifest:
    return compose_manifest(manifest_root(), TASK)


def panel_of(cells: dict[str, dict], duration: float = 1.0, start: dict = START, replicates: int = 2) -> Panel:
    return read_panel({
        "schema_version": 1, "name": "test_v1", "why": "a panel that a test made for itself", "robots": ["unitree_go1"],
        "seed": 0, "replicates": replicates, "duration": duration, "warm_up": 0.2, "start": start,
        "success": {"lin_vel_error": 0.3, "yaw_rate_error": 0.3},
        "nominal": {"why": WHY, "friction": 0.8, "commands": [[0, 0.5, 0, 0]]}, "cells": cells,
    })  # fmt: skip


def make(go1: Manifest, panel: Panel, num_threads: int = 1):
    manifest = panel_manifest(go1, panel, panel.seed)
    conditions = panel_conditions(panel, manifest)
    return load_engine("mujoco").make_env(
        manifest, device="cpu", num_threads=num_threads, evaluation=True, conditions=conditions
    )


def stand(obs: Tensor) -> Tensor:
    return torch.zeros(len(obs), 12)


def wobble(obs: Tensor) -> Tensor:
    """A deterministic function of what is observed, row by row the same bits in any batch."""
    weights = torch.sin(torch.arange(obs.shape[1] * 12, dtype=torch.float32)).reshape(obs.shape[1], 12)
    return 0.15 * torch.tanh((obs.unsqueeze(2) * weights).sum(dim=1))


def test_every_condition_arrives(go1: Manifest):
    panel = panel_of(CELLS, replicates=1)
    env, row = make(go1, panel), {name: index for index, name in enumerate(CELLS)}
    feet = [env.sim.mj_model.geom(f"robot/{geom}").id for foot in go1.robot.feet for geom in foot.geoms]
    friction = env.sim.model.geom_friction[:, feet, 0]
    assert friction[row["ice"]].tolist() == pytest.approx([0.1] * len(feet))
    assert friction[row["nominal"]].tolist() == pytest.approx([0.8] * len(feet))
    mass = env.total_mass()
    assert (mass - mass[row["nominal"]])[[row["heavy"], row["rear"], row["ice"]]].tolist() == pytest.approx([3, 1, 0])
    base = env.body_id(go1.robot.base_body)
    shift = env.sim.model.body_ipos[:, base, 0] - env.sim.model.body_ipos[row["nominal"], base, 0]
    assert shift[row["rear"]].item() < -0.02 and shift[row["heavy"]].item() == pytest.approx(0.0, abs=1e-6)
    limit = env.sim.model.actuator_forcerange[:, 0, 1]
    assert (limit[row["weak"]] / limit[row["nominal"]]).item() == pytest.approx(0.6)
    assert env.buckets.values["control_delay"].tolist() == [2 * (name == "late") for name in CELLS]
    assert env.buckets.values["observation_delay"].tolist() == [int(name == "late") for name in CELLS]
    assert env.buckets.values["payload_x"].isfinite().all()


def test_noise_and_offset_of_the_sensors(go1: Manifest):
    panel = panel_of({"nominal": {}, "noisy": {"noise_level": 2.0}, "off": {"noise_level": 0.0, "sensor_bias": 1.0}},
                     start=CALM, replicates=40)  # fmt: skip
    env = make(go1, panel)
    env.reset()
    errors: list[Tensor] = []
    for _ in range(30):
        seen = env.step(torch.zeros(120, 12)).observations["actor"][:, :3]
        errors.append(seen - env.robot_state.read("base_ang_vel_b"))
    readings = torch.stack(errors)
    spread = readings.std(dim=0).reshape(3, -1).mean(dim=1)
    assert (spread[1] / spread[0]).item() == pytest.approx(2.0, rel=0.1)
    offset = readings.mean(dim=0).reshape(3, 40, 3)
    assert spread[2] < 1e-5  # the offset stays
    assert offset[2].std().item() == pytest.approx(0.2 / math.sqrt(3), rel=0.25)  # uniform within +- 0.2 rad/s
    assert offset[2].abs().max() <= 0.2 + 1e-5
    assert offset[0].abs().max() < 0.1  # noise has none


def test_a_kick_changes_the_velocity_by_what_was_asked_for(go1: Manifest):
    calm = CALM | {"yaw": [-3, 3]}
    kick = [{"at": 0.6, "lin_vel": 1.0, "direction_deg": 90, "ang_vel_z": 0.5}]
    twins = {"a": {}, "b": {"kicks": kick}}
    env = make(go1, panel_of(twins, start=calm, replicates=3))
    env.reset()
    for step in range(1, 31):
        env.step(torch.zeros(6, 12))
        if step == 29:
            before = env.sim.data.qvel[:].clone()
            velocity = env.robot_state.read("base_lin_vel_yaw").clone()
            assert not env.pushes.kicked.any()
    assert env.pushes.kicked.tolist() == [False] * 3 + [True] * 3
    change = env.robot_state.read("base_lin_vel_yaw") - velocity  # one control step of rocking, and the kick
    assert change[3:, 1].tolist() == pytest.approx([1.0] * 3, abs=0.05)
    assert change[3:, 0].tolist() == pytest.approx([0.0] * 3, abs=0.05)
    assert (env.sim.data.qvel[3:, 5] - before[3:, 5]).tolist() == pytest.approx([0.5] * 3, abs=0.05)
    assert change[:3].abs().max() < 0.05


def test_commands_follow_their_timetable(go1: Manifest):
    env = make(go1, panel_of({"a": {}, "b": {"commands": [[0, 0.5, 0, 0], [0.1, 0, 0.2, 0]]}}, replicates=1))
    env.reset()
    seen = [env.robot_state.read("command")[:, 0].tolist()]
    for _ in range(6):
        env.step(torch.zeros(2, 12))
        seen.append(env.robot_state.read("command")[:, 0].tolist())
    assert seen == [[0.5, 0.5]] * 5 + [[0.5, 0.0]] * 2


def same(one, two, rows: list[int] | None = None) -> None:
    for name, value in vars(one).items():
        other = getattr(two, name) if rows is None else getattr(two, name)[rows]
        torch.testing.assert_close(value, other, rtol=0, atol=0, equal_nan=True, msg=name)


def test_the_same_bits_twice_on_any_threads_in_any_order_and_company(go1: Manifest):
    panel = panel_of(CELLS)
    first = run_cells(make(go1, panel), wobble, panel).episodes
    same(first, run_cells(make(go1, panel, num_threads=2), wobble, panel).episodes)
    order = list(CELLS)[::-1]
    backwards = panel_of({name: CELLS[name] for name in order})
    same(run_cells(make(go1, backwards), wobble, backwards).episodes, first, [list(CELLS).index(n) for n in order])
    # With one cell fewer of each kind the factors are the same ones: fewer factors are another model.
    fewer = {name: cell for name, cell in CELLS.items() if name not in ("nominal", "kicked", "changing")}
    part = panel_of(fewer)
    same(run_cells(make(go1, part), wobble, part).episodes, first, [list(CELLS).index(name) for name in fewer])


def test_on_terrain_the_same_bits_in_any_order_and_number_and_on_any_threads(go1: Manifest):
    """The ground of a panel is one grid, whatever the order of its cells and however many robots walk on it."""
    cells = {
        "rough": {"terrain": {"kind": "random_rough", "difficulty": 0.4, "seed": 7}}, "level": {},
        "stairs": {"terrain": {"kind": "stairs_up", "difficulty": 0.3, "seed": 0}, "friction": 0.4},
    }  # fmt: skip
    panel = panel_of(cells)
    first = run_cells(make(go1, panel), wobble, panel).episodes
    backwards = panel_of({name: cells[name] for name in list(cells)[::-1]})
    same(run_cells(make(go1, backwards, num_threads=2), wobble, backwards).episodes, first, [2, 1, 0])
    larger = panel_of(cells, replicates=5)
    many = run_cells(make(go1, larger), wobble, larger).episodes
    for name, value in vars(first).items():
        torch.testing.assert_close(value, getattr(many, name)[:, :2], rtol=0, atol=0, equal_nan=True, msg=name)


def test_replicates_differ_and_policies_meet_the_same(go1: Manifest):
    panel = panel_of({"nominal": {}, "ice": {"friction": 0.1}}, replicates=3)

    def starts() -> Tensor:
        env = make(go1, panel)
        env.reset()
        return env.sim.data.qpos[:].clone()

    first = starts()
    assert torch.equal(first, starts())
    assert len({tuple(row) for row in first[:, 3:7].tolist()}) == 6  # six headings: no two episodes start alike
    other_seed = panel.model_copy(update={"seed": 1})
    env = make(go1, other_seed)
    env.reset()
    assert not torch.equal(first, env.sim.data.qpos[:])


def test_standing_robots_are_where_and_what_they_should_be(go1: Manifest):
    panel = panel_of(
        {"a": {"commands": [[0, 0, 0, 0]]}, "b": {"commands": [[0, 0.4, 0.3, 0.2]]}}, start=CALM, duration=6
    )
    result = run_cells(make(go1, panel), stand, panel)
    error = result.episodes.lin_vel_error[:, 0].tolist()
    assert error == pytest.approx([0.0, 0.5], abs=0.03)  # soft motors rock for some seconds after the start
    assert not result.episodes.failed.any() and result.episodes.action_rate.max() == 0
    assert result.episodes.torque_saturation.max() == 0 and result.episodes.foot_slip.max() < 0.02


class NeverBuilt:
    """An engine that fails the test if anything is built."""

    FACTORS = frozenset({"friction"})
    TERRAINS: frozenset[str] = frozenset()

    def make_env(self, *args, **kwargs):
        raise AssertionError("a simulator was started")


@pytest.fixture
def no_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "load_engine", lambda name: NeverBuilt())
    monkeypatch.setattr(run, "make_env", NeverBuilt().make_env)


def checkpoint(tmp_path: Path, manifest: Manifest) -> Path:
    """Weights of a fresh policy."""
    from surefoot.rl.policy import build_network

    networks = {f"{which}_state_dict": build_network(manifest, which).state_dict() for which in ("actor", "critic")}
    infos = {"format": 1, "manifest": manifest.canonical_json}
    path = tmp_path / "model_7.pt"
    torch.save({**networks, "iter": 7, "infos": infos}, path)
    return path


def panel_file(tmp_path: Path, **changes) -> Path:
    import yaml

    text = (manifest_root() / "panels" / "quick_v1.yaml").read_text()
    path = tmp_path / "mine_v1.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(text) | {"name": "mine_v1"} | changes))
    return path


@pytest.mark.usefixtures("no_simulator")
class TestRefusedBeforeASimulatorStarts:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"robots": ["unitree_g1"]}, "robots: it is for unitree_g1, and task .* has 'unitree_go1'"),
            ({"replicates": 0}, "replicates: input should be greater than 0"),
            ({"cells": {"a": {"why": WHY, "frction": 1}}}, "cells.a.frction: unknown key. Did you mean 'friction'"),
            ({"cells": {"a": {"why": WHY, "terrain": {"kind": "stairs_up", "difficulty": 0.5}}}},
             "cells a: terrain.kind: engine 'mujoco' has no terrain class 'stairs_up'"),
            ({"cells": {"a": {"why": WHY, "payload_mass": 1.0}, "b": {"why": WHY}}},
             "cells a: payload_mass: engine 'mujoco' has no such factor. It has friction"),
            ({"cells": {"a": {"why": WHY, "control_delay": 0.013}}}, "a.control_delay: 0.013 s is no whole number"),
        ],
    )  # fmt: skip
    def test_panels(self, go1: Manifest, tmp_path: Path, changes: dict, message: str):
        with pytest.raises(PanelError, match=message):
            run.evaluate_checkpoint(
                checkpoint(tmp_path, go1), panel_file(tmp_path, **changes), manifests=manifest_root()
            )

    def test_another_observation_layout(self, go1: Manifest, tmp_path: Path):
        other = override_manifest(go1, ["~task.observations.actor.terms.gait_clock"])
        with pytest.raises(CheckpointError, match=r"(?s)observations: checkpoint .*! -  .*gait_clock"):
            run.evaluate_checkpoint(checkpoint(tmp_path, other), "quick_v1", manifests=manifest_root(), task=TASK)

    def test_another_joint_order(self, go1: Manifest, tmp_path: Path):
        joints = list(go1.robot.joints)
        swapped = go1.robot.model_copy(update={"joints": (joints[1], joints[0], *joints[2:])})
        other = go1.model_copy(update={"robot": swapped})
        with pytest.raises(CheckpointError, match=r"(?s)joint order: .*! FR_thigh_joint .*FR_hip_joint"):
            run.evaluate_checkpoint(checkpoint(tmp_path, other), "quick_v1", manifests=manifest_root(), task=TASK)

    def test_a_condition_that_the_task_cannot_have(self, go1: Manifest, tmp_path: Path, monkeypatch):
        monkeypatch.setattr(NeverBuilt, "FACTORS", frozenset({"friction", "noise_level"}))
        noisy = ("base_ang_vel", "projected_gravity", "joint_pos", "joint_vel")
        quiet = override_manifest(go1, [f"task.observations.actor.terms.{name}.noise=0" for name in noisy])
        path = panel_file(tmp_path, cells={"a": {"why": WHY, "noise_level": 2.0}})
        with pytest.raises(ManifestError, match="noise_level: has nothing to scale"):
            run.evaluate_checkpoint(checkpoint(tmp_path, quiet), path, manifests=manifest_root())

    def test_a_report_that_could_not_be_written(self, go1: Manifest, tmp_path: Path):
        from surefoot.errors import RunFolderError

        with pytest.raises(RunFolderError, match="does not exist"):
            run.evaluate_checkpoint(
                checkpoint(tmp_path, go1), "quick_v1", manifests=manifest_root(), out=tmp_path / "no" / "r.json"
            )


def test_a_whole_run_writes_its_report(go1: Manifest, tmp_path: Path):
    cells = {"nominal": {"why": WHY, "control": True}, "ice": {"why": WHY, "friction": 0.1}}
    path = panel_file(tmp_path, cells=cells, duration=1.5, replicates=2)
    out = tmp_path / "report.json"
    policy = checkpoint(tmp_path, go1)
    report = run.evaluate_checkpoint(policy, path, manifests=manifest_root(), machine=Machine(threads=1), out=out)
    assert json.loads(out.read_text()) == report.plain
    assert {cell["name"]: cell["group"] for cell in report.plain["cells"]} == {
        "nominal": "in_distribution", "ice": "held_out",
    }  # fmt: skip
    again = run.evaluate_checkpoint(policy, path, manifests=manifest_root(), machine=Machine(threads=2))
    assert {**again.plain, "seconds": 0} == {**report.plain, "seconds": 0}
