"""Accounts of Isaac Lab's own tasks on the released 3.0, against a ledger of this file; its trainer, by one flag."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import stock_tasks
from surefoot.audit.record.record_file import read_record
from surefoot.engines.isaaclab.attach import attach_accounts
from surefoot_tasks import audit_config

pytestmark = pytest.mark.usefixtures("on_physx")

PHYSICS = ("newton_mjwarp", "ovphysx")
NUM, STEPS = 12, 60
HERE = Path(__file__).resolve().parent


class Ledger:
    """What the environment gave, counted in Python, environment by environment."""

    def __init__(self, env: Any, labels: int) -> None:
        self._env, self._running = env, [0.0] * env.num_envs
        self.steps = [0] * labels
        self.terms = torch.zeros(labels, len(env.reward_manager.active_terms), dtype=torch.float64)
        self.returns: list[list[float]] = [[] for _ in range(labels)]
        self.received = 0.0
        self.failures = self.time_outs = 0

    def add(self, bucket: list[int], reward: Tensor, terminated: Tensor, truncated: Tensor) -> None:
        rates = self._env.reward_manager._step_reward
        for index, mine in enumerate(bucket):
            self.steps[mine] += 1
            self.terms[mine] += rates[index].double()
            self._running[index] += float(reward[index])
            self.received += float(reward[index])
            if terminated[index] or truncated[index]:
                self.failures += bool(terminated[index])
                self.time_outs += bool(truncated[index]) and not bool(terminated[index])
                self.returns[mine].append(self._running[index])
                self._running[index] = 0.0


def trunk_mass(env: Any, physics: str) -> list[float]:
    """kg, from the innermost place: MuJoCo-Warp's model, or PhysX's own buffer."""
    if physics == "newton_mjwarp":
        from isaaclab_newton.physics import NewtonManager

        solver = NewtonManager._solver
        names = [solver.mj_model.body(index).name for index in range(solver.mj_model.nbody)]
        (trunk,) = [index for index, name in enumerate(names) if name.endswith("trunk")]
        return solver.mjw_model.body_mass.numpy()[:, trunk].tolist()
    robot = env.scene["robot"]
    held = robot.root_view.get_attribute("articulation_body_mass").numpy()
    return held[:, robot.body_names.index("trunk")].tolist()


def friction(env: Any, physics: str) -> list[float]:
    """Mean sliding friction of the robot's shapes."""
    if physics == "newton_mjwarp":
        from isaaclab_newton.physics import NewtonManager

        solver = NewtonManager._solver
        names = [solver.mj_model.geom(index).name for index in range(solver.mj_model.ngeom)]
        mine = [index for index, name in enumerate(names) if "ground" not in name and "plane" not in name]
        return solver.mjw_model.geom_friction.numpy()[:, mine, 0].mean(axis=1).tolist()
    held = env.scene["robot"].root_view.get_attribute("articulation_shape_friction_and_restitution")
    return held.numpy()[:, :, 0].mean(axis=1).tolist()


def step_and_look(env: Any, physics: str, action: Tensor, look: Callable[[], list[Any]]) -> tuple[list[Any], Any]:
    """A step, and what its physics had: PhysX takes writes at once, MuJoCo-Warp's model at the next step.

    So the one is looked at before the step, the other after it, when the resets of the step have not reached it yet.
    """
    before = look()
    result = env.step(action)
    return (before if physics == "ovphysx" else look()), result


def interval(value: float, edges: tuple[float, ...]) -> int:
    return sum(value >= edge for edge in edges)


def actions(count: int) -> Tensor:
    return 0.5 * torch.randn(count, NUM, 12, generator=torch.Generator().manual_seed(2))


def go1(physics: str, **settings: Any) -> Any:
    """Episodes of 0.3 s, so that there are many ends."""
    return stock_tasks.environment("Stock-Go1", physics, scene__num_envs=NUM, seed=5, episode_length_s=0.3, **settings)


def check(flush: Any, ledger: Ledger, dt: float) -> None:
    """Every number of the accounts that the ledger has."""
    assert flush["reward_by_bucket/steps"].tolist() == ledger.steps
    per_term = flush["reward_by_bucket/mean_per_s"].nan_to_num() * flush["reward_by_bucket/steps"].unsqueeze(1)
    torch.testing.assert_close(per_term, ledger.terms, rtol=1e-9, atol=1e-9)
    assert flush["reward/received"].item() == pytest.approx(ledger.received, rel=1e-9)
    assert flush["reward/accounted"].item() == pytest.approx(ledger.received, rel=1e-5)
    assert float(ledger.terms.sum()) * dt == pytest.approx(ledger.received, rel=1e-5)
    assert flush["termination/failures"].item() == ledger.failures
    assert flush["termination/time_outs"].item() == ledger.time_outs > 0
    assert flush["bucket/episodes"].tolist() == [len(bucket) for bucket in ledger.returns]
    means = [sum(bucket) / len(bucket) if bucket else float("nan") for bucket in ledger.returns]
    torch.testing.assert_close(
        flush["bucket/return_mean"], torch.tensor(means, dtype=torch.float64), rtol=1e-9, atol=1e-9, equal_nan=True
    )


@pytest.mark.parametrize("physics", PHYSICS)
def test_buckets_of_startup_events_add_up_to_what_a_ledger_says(physics: str) -> None:
    with go1(physics) as env:
        env.reset(seed=5)
        accounts = attach_accounts(env, audit_config(), buckets="events", bucket_by=("mass",), report=lambda _: None)
        (name,) = accounts.layout.factors
        edges = accounts._source.edges[name]
        assert name == "mass trunk" and len(edges) == 2 and len(accounts.layout.bucket_labels) == 3
        ledger = Ledger(env, 3)
        for action in actions(STEPS):
            masses, (_, *given, _) = step_and_look(env, physics, action, lambda: trunk_mass(env, physics))
            ledger.add([interval(mass, edges) for mass in masses], *given)
        flush, _ = accounts.end_iteration()
        check(flush, ledger, env.step_dt)
        assert flush["factor/min"].item() == pytest.approx(min(masses), rel=1e-6)
        assert flush["factor/max"].item() == pytest.approx(max(masses), rel=1e-6)
        assert min(map(len, ledger.returns)) > 0


def moving(cfg_events: Any) -> None:
    cfg_events.add_base_mass.mode = "reset"
    cfg_events.physics_material.mode = "interval"
    cfg_events.physics_material.interval_range_s = (0.1, 0.2)
    cfg_events.physics_material.params["static_friction_range"] = (0.4, 1.2)
    cfg_events.physics_material.params["dynamic_friction_range"] = (0.4, 0.4)


@pytest.mark.parametrize("physics", PHYSICS)
def test_ids_follow_resets_and_intervals(physics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mass drawn at each reset, a friction drawn at intervals: an episode belongs to the bucket of its last step."""
    local = stock_tasks._local_go1
    monkeypatch.setattr(stock_tasks, "_local_go1", lambda cfg: (local(cfg), moving(cfg.events)))
    with go1(physics) as env:
        env.reset(seed=5)
        accounts = attach_accounts(
            env, audit_config(), buckets="events", bucket_by=("mass", "friction"), report=lambda _: None
        )
        source = accounts._source
        assert accounts.layout.factors == ("mass trunk", "friction") and not accounts.layout.fixed_buckets
        mass_edges, grip_edges = (source.edges[name] for name in accounts.layout.factors)
        ledger, seen = Ledger(env, len(accounts.layout.bucket_labels)), []
        for action in actions(STEPS):
            held, (_, *given, _) = step_and_look(
                env,
                physics,
                action,
                lambda: list(zip(trunk_mass(env, physics), friction(env, physics), strict=True)),
            )
            bucket = [interval(m, mass_edges) * (len(grip_edges) + 1) + interval(f, grip_edges) for m, f in held]
            ledger.add(bucket, *given)
            assert source.ids.tolist() == bucket
            seen.append(bucket)
        flush, _ = accounts.end_iteration()
        check(flush, ledger, env.step_dt)
        changes = sum(a != b for before, now in itertools.pairwise(seen) for a, b in zip(before, now, strict=True))
        assert changes > 20
        terms = [env.event_manager.get_term_cfg(name).func for name in ("add_base_mass", "physics_material")]
        accounts.detach()
        kept = [env.event_manager.get_term_cfg(name).func for name in ("add_base_mass", "physics_material")]
        assert [wrapped.func for wrapped in terms] == kept


def joints_vary(cfg_events: Any) -> None:
    """Stock events that this task does not have, each joint drawn for itself."""
    from isaaclab.envs import mdp
    from isaaclab.managers import EventTermCfg, SceneEntityCfg

    robot, knees = SceneEntityCfg("robot"), SceneEntityCfg("robot", joint_names=".*_calf_joint")
    cfg_events.gains = EventTermCfg(
        func=mdp.randomize_actuator_gains,
        mode="reset",
        params={
            "asset_cfg": robot,
            "stiffness_distribution_params": (0.5, 1.5),
            "damping_distribution_params": (0.5, 1.5),
            "operation": "scale",
        },
    )
    cfg_events.joints = EventTermCfg(
        func=mdp.randomize_joint_parameters,
        mode="startup",
        params={
            "asset_cfg": knees,
            "friction_distribution_params": (0.1, 0.3),
            "armature_distribution_params": (0.01, 0.03),
            "upper_limit_distribution_params": (-0.8, -0.6),
            "operation": "abs",
        },
    )


def held_joints(env: Any, physics: str) -> dict[str, np.ndarray]:
    """From MuJoCo-Warp's model, or PhysX's own buffers: means over all joints, or over the knees. Shape (NUM,) each."""
    if physics == "newton_mjwarp":
        from isaaclab_newton.physics import NewtonManager

        solver, free = NewtonManager._solver, 6
        model, mj = solver.mjw_model, solver.mj_model
        knees = np.array(["calf" in mj.joint(index).name for index in range(1, mj.njnt)])
        assert mj.nv == free + len(knees) == free + 12 and knees.sum() == 4
        bias = model.actuator_biasprm.numpy()  # an actuator for positions and one for velocities at each joint
        return {
            "stiffness": -bias[..., 1].sum(axis=1) / 12,
            "damping": -bias[..., 2].sum(axis=1) / 12,
            "joint_friction": model.dof_frictionloss.numpy()[:, free:][:, knees].mean(axis=1),
            "armature": model.dof_armature.numpy()[:, free:][:, knees].mean(axis=1),
            "upper_limit": model.jnt_range.numpy()[:, 1:][:, knees, 1].mean(axis=1),
        }
    robot = env.scene["robot"]
    knees = np.array(["calf" in name for name in robot.joint_names])

    def held(name: str) -> np.ndarray:
        return robot.root_view.get_attribute(f"articulation_dof_{name}").numpy()

    return {
        "stiffness": held("stiffness").mean(axis=1),
        "damping": held("damping").mean(axis=1),
        "joint_friction": held("friction_properties")[:, knees, 0].mean(axis=1),
        "armature": held("armature")[:, knees].mean(axis=1),
        "upper_limit": held("limit")[:, knees, 1].mean(axis=1),
    }


@pytest.mark.parametrize("physics", PHYSICS)
def test_gains_and_joint_parameters_are_those_of_the_simulator(physics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    local = stock_tasks._local_go1
    monkeypatch.setattr(stock_tasks, "_local_go1", lambda cfg: (local(cfg), joints_vary(cfg.events)))
    with go1(physics) as env:
        env.reset(seed=5)
        wanted = ("stiffness", "damping", "joint_friction", "armature", "upper_limit")
        accounts = attach_accounts(env, audit_config(), buckets="events", bucket_by=wanted, report=lambda _: None)
        names = ("stiffness", "damping", *(f"{name} 4 joints" for name in wanted[2:]))
        assert accounts.layout.factors == names and len(accounts.layout.bucket_labels) == 32
        first = None
        for action in actions(20):
            simulated, _ = step_and_look(env, physics, action, lambda: [held_joints(env, physics)])
            for name, value in zip(names, simulated[0].values(), strict=True):
                assert accounts._source.values[name].tolist() == pytest.approx(value.tolist(), rel=1e-4), name
            first = first or simulated[0]
        assert not np.allclose(first["stiffness"], simulated[0]["stiffness"])
        assert np.allclose(first["armature"], simulated[0]["armature"])


def class_of_column(generator: Any, column: int) -> str:
    """Isaac Lab's own expression, of its TerrainGenerator."""
    shares = np.array([cfg.proportion for cfg in generator.sub_terrains.values()], dtype=float)
    shares /= np.sum(shares)
    index = np.min(np.where(column / generator.num_cols + 0.001 < np.cumsum(shares))[0])
    return list(generator.sub_terrains)[index]


@pytest.mark.parametrize("physics", PHYSICS)
def test_buckets_of_generated_ground_follow_its_curriculum(physics: str) -> None:
    with stock_tasks.environment("Stock-Go1-Rough", physics, scene__num_envs=NUM, seed=5, episode_length_s=0.3) as env:
        env.reset(seed=5)
        terrain = env.scene.terrain
        accounts = attach_accounts(
            env, audit_config(), buckets="events", bucket_by=("terrain", "terrain_level"), report=lambda _: None
        )
        labels = accounts.layout.bucket_labels
        edges = accounts._source.edges["terrain_level"]
        kinds = [class_of_column(terrain.cfg.terrain_generator, int(column)) for column in terrain.terrain_types]
        parts = list(dict.fromkeys(label.split(" | ")[1] for label in labels))
        assert parts == ["terrain_level below 1", "terrain_level 1-3", "terrain_level from 3"]
        ledger, levels, draw = Ledger(env, len(labels)), [], torch.Generator().manual_seed(1)
        for action in actions(STEPS):
            levels.append(terrain.terrain_levels.tolist())
            bucket = [
                labels.index(f"{kind} | {parts[interval(level, edges)]}")
                for kind, level in zip(kinds, levels[-1], strict=True)
            ]
            _, *given, _ = env.step(action)
            ledger.add(bucket, *given)
            # In 0.3 s nobody walks far enough for the task's own curriculum: this one sends those that end up or down.
            (ended,) = torch.nonzero(given[1] | given[2], as_tuple=True)
            up = torch.rand(len(ended), generator=draw) < 0.5
            terrain.update_env_origins(ended, up, ~up)
        flush, _ = accounts.end_iteration()
        check(flush, ledger, env.step_dt)
        assert len(set(kinds)) > 3 and len(set(map(tuple, levels))) > 3
        for name, mean in zip(accounts.layout.terrain_classes, flush["terrain/level_mean"].tolist(), strict=True):
            mine = [level for kind, level in zip(kinds, terrain.terrain_levels.tolist(), strict=True) if kind == name]
            assert mean == pytest.approx(sum(mine) / len(mine))


@pytest.mark.parametrize("physics", PHYSICS)
def test_accounts_with_buckets_change_nothing(physics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    local = stock_tasks._local_go1
    monkeypatch.setattr(stock_tasks, "_local_go1", lambda cfg: (local(cfg), moving(cfg.events)))

    def rollout(watched: bool) -> list[Tensor]:
        with go1(physics) as env:
            env.reset(seed=5)
            if watched:
                attach_accounts(
                    env, audit_config(), buckets="events", steps_per_iteration=8, scalars=True, report=lambda _: None
                )
            seen: list[Tensor] = []
            for action in actions(30):
                observations, reward, terminated, truncated, _ = env.step(action)
                seen += [observations["policy"].clone(), reward.clone(), terminated.clone(), truncated.clone()]
            return seen

    for index, (one, other) in enumerate(zip(rollout(False), rollout(True), strict=True)):
        assert torch.equal(one, other), f"step {index // 4}, {('observations', 'reward', 'ends', 'ends')[index % 4]}"


@pytest.mark.parametrize("physics", PHYSICS)
def test_a_planted_nan_is_a_fault_of_its_environment(physics: str) -> None:
    with go1(physics) as env:
        env.reset(seed=5)
        accounts = attach_accounts(env, audit_config(), buckets="events", report=lambda _: None)
        cfg = env.reward_manager.get_term_cfg("lin_vel_z_l2")
        func = cfg.func.func

        def broken(*args: Any, **params: Any) -> Tensor:
            value = func(*args, **params).clone()
            value[3] = torch.nan
            return value

        cfg.func.func = broken
        for action in actions(4):
            env.step(action)
        flush, alerts = accounts.end_iteration()
        assert dict(zip(accounts.layout.fault_kinds, flush["fault/steps"].tolist(), strict=True)) == {
            "state": 0, "action": 0, "reward": 4,
        }  # fmt: skip
        assert flush["reward/steps"].item() == 4 * (NUM - 1)
        assert ("fault", "reward") in [(alert.kind, alert.subject) for alert in alerts]


def train(folder: Path, physics: str, task: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, str(HERE / "stock_tasks.py"), "--rl_library", "rsl_rl", "--task", task, "--device", "cpu",
        "--num_envs", "16", "--max_iterations", "2", "agent.device=cpu", *arguments,
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", stock_tasks.PHYSICS: physics}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("physics", PHYSICS)
def test_the_stock_trainer_keeps_the_accounts_by_one_flag(physics: str, tmp_path: Path) -> None:
    result = train(
        tmp_path, physics, "Stock-Go1", "--external_callback", "surefoot_tasks.watch", "watch.buckets=events",
        "watch.bucket_by=mass,com", "agent.num_steps_per_env=10",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    (folder,) = (tmp_path / "logs/rsl_rl/unitree_go1_flat").iterdir()
    record = read_record(folder)
    assert record.iteration.tolist() == [1, 2]
    assert record.values["reward/steps"].tolist() == [160.0, 160.0]
    assert record.names("factor") == ("mass trunk", "com_x trunk", "com_y trunk", "com_z trunk")
    assert record.values["reward_by_bucket/steps"].sum(axis=1).tolist() == [160.0, 160.0]
    logged = scalars(folder)
    for tag, name in (("Reward/total_per_s", "reward/total_per_s"), ("Reward/received", "reward/received")):
        assert [step for step, _ in logged[tag]] == [0, 1]
        assert [value for _, value in logged[tag]] == pytest.approx(record.values[name].tolist(), rel=1e-5)
    term = record.names("term").index("track_lin_vel_xy_exp")
    assert [value for _, value in logged["Reward/track_lin_vel_xy_exp/mean_per_s"]] == pytest.approx(
        record.values["reward/mean_per_s"][:, term].tolist(), rel=1e-5
    )
    assert f"accounts of every iteration: {folder}/accounts.parquet" in result.stdout


@pytest.mark.parametrize("physics", PHYSICS)
def test_a_task_without_a_velocity_command_has_nan_and_one_sentence(physics: str, tmp_path: Path) -> None:
    result = train(
        tmp_path, physics, "Stock-Cartpole", "--external_callback", "surefoot_tasks.watch", "watch.buckets=events",
        "env.episode_length_s=0.2",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    (folder,) = (tmp_path / "logs/rsl_rl/cartpole").iterdir()
    record, logged = read_record(folder), scalars(folder)
    assert record.values["termination/time_outs"].min() > 0, "there were ends to be a success or none"
    for name in ("episode/lin_vel_error", "episode/success_rate", "bucket/success_rate", "reward/pooled_successes"):
        assert all(value != value for value in record.values[name].ravel())
    assert not {"Episode/lin_vel_error", "Episode/success_rate", "Standing/rows"} & set(logged)
    assert "Reward/pole_pos/mean_per_s" in logged
    assert result.stdout.count("no velocity command") == 1


@pytest.mark.parametrize("physics", PHYSICS)
def test_our_own_task_in_the_stock_trainer_keeps_its_accounts_without_a_flag(physics: str, tmp_path: Path) -> None:
    result = train(
        tmp_path, physics, "Surefoot-Velocity-Flat-Unitree-Go1-v0", f"physics={physics}",
        "--external_callback", "surefoot_tasks.registration.register",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    (folder,) = (tmp_path / "logs/rsl_rl/Surefoot-Velocity-Flat-Unitree-Go1-v0").iterdir()
    record, logged = read_record(folder), scalars(folder)
    assert record.iteration.tolist() == [1, 2]
    assert len(record.header.manifests[0][1]) == 64, "the hash of the manifest"
    assert [value for _, value in logged["Reward/received"]] == pytest.approx(
        record.values["reward/received"].tolist(), rel=1e-5
    )
    assert "Episode_Termination/time_out" in logged or "Reward/steps" in logged


def test_a_wrong_option_ends_the_trainer_with_one_line(tmp_path: Path) -> None:
    common = ("newton_mjwarp", "Stock-Cartpole", "--external_callback", "surefoot_tasks.watch")
    early = train(tmp_path, *common, "watch.bukets=events")
    assert early.returncode == 1 and early.stderr.splitlines()[-1].startswith(
        "error: Option of watch 'bukets' not found"
    )
    late = train(tmp_path, *common, "watch.robot=rebot")
    assert late.returncode == 1 and "error: The scene has no 'rebot'. Did you mean 'robot'?" in late.stderr
