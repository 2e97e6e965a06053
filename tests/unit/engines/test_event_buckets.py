"""Buckets from a task's own events: scenes and event managers in miniature, with PhysX's view behind the assets."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from surefoot.engines.isaaclab.attach import attach_accounts
from surefoot.engines.isaaclab.event_buckets import EventBuckets, WatchedEvent
from surefoot.errors import EngineError, SurefootError
from surefoot_tasks import audit_config

NUM = 6


class View:
    """As Isaac Sim's tensor view of an articulation with two bodies, two joints and two shapes."""

    def __init__(self) -> None:
        self.masses = torch.tensor([[1.0, 4.0]]).repeat(NUM, 1)
        self.coms = torch.zeros(NUM, 2, 7)
        self.inertias = torch.ones(NUM, 2, 9)
        self.materials = torch.tensor([0.8, 0.6, 0.0]).repeat(NUM, 2, 1)
        self.gains = {"stiffness": torch.full((NUM, 2), 20.0), "damping": torch.full((NUM, 2), 0.5)}
        self.reads: list[str] = []

    def get_masses(self) -> Tensor:
        self.reads.append("masses")
        return self.masses

    def get_coms(self) -> Tensor:
        return self.coms

    def get_inertias(self) -> Tensor:
        return self.inertias

    def get_material_properties(self) -> Tensor:
        return self.materials

    def get_dof_stiffnesses(self) -> Tensor:
        return self.gains["stiffness"]

    def get_dof_dampings(self) -> Tensor:
        return self.gains["damping"]


def entity(name: str = "robot", bodies: Any = slice(None), joints: Any = slice(None)) -> Any:
    return SimpleNamespace(name=name, body_ids=bodies, joint_ids=joints)


class Mass:
    """Named below as Isaac Lab's event is; it writes what the test put into `values`."""

    def __init__(self) -> None:
        self.values = torch.zeros(NUM)
        self.resets = 0

    def __call__(self, env: Any, env_ids: Any, asset_cfg: Any, operation: str = "add") -> None:
        env.scene.entities[asset_cfg.name].root_view.masses[env_ids, 1] = self.values[env_ids]

    def reset(self, env_ids: Any = None) -> None:
        self.resets += 1


MassEvent = type("randomize_rigid_body_mass", (Mass,), {})
DerivedMassEvent = type("my_mass", (MassEvent,), {})


def function(name: str) -> Any:
    def event(env: Any, env_ids: Any, **params: Any) -> None:
        pass

    event.__name__ = name
    return event


class Scene:
    def __init__(self, terrain: Any, **entities: Any) -> None:
        self.terrain, self.entities = terrain, entities

    def __getitem__(self, name: str) -> Any:
        return self.entities[name]


class Events:
    def __init__(self, terms: dict[str, tuple[str, Any, dict[str, Any]]]) -> None:
        self.cfgs = {
            name: SimpleNamespace(func=func, params=params, mode=mode) for name, (mode, func, params) in terms.items()
        }
        self.active_terms: dict[str, list[str]] = {}
        for name, (mode, _, _) in terms.items():
            self.active_terms.setdefault(mode, []).append(name)

    def get_term_cfg(self, name: str) -> Any:
        return self.cfgs[name]


def environment(terrain: Any = None, **terms: tuple[str, Any, dict[str, Any]]) -> Any:
    view = View()
    robot = SimpleNamespace(
        root_view=view, joint_names=["hip", "knee"], body_names=["base", "calf"], num_instances=NUM, actuators={}
    )
    return SimpleNamespace(
        num_envs=NUM, device="cpu", scene=Scene(terrain, robot=robot), event_manager=Events(terms), view=view
    )


def buckets(env: Any, bucket_by: tuple[str, ...] = ()) -> EventBuckets:
    return EventBuckets(env, newton=False, bucket_by=bucket_by)


def test_a_startup_event_is_read_from_the_simulator_once() -> None:
    env = environment(add_mass=("startup", MassEvent(), {"asset_cfg": entity(bodies=[1])}))
    env.view.masses[:, 1] = torch.tensor([3.0, 4.0, 3.0, 4.0, 3.0, 4.0])
    source = buckets(env)
    assert source.labels == ("mass calf below 3.5 kg", "mass calf from 3.5 kg")
    assert source.ids.tolist() == [0, 1, 0, 1, 0, 1]
    reads = len(env.view.reads)
    source.refresh()
    assert len(env.view.reads) == reads and source.fixed


def test_masses_of_several_bodies_are_added_up() -> None:
    env = environment(add_mass=("startup", MassEvent(), {"asset_cfg": entity()}))
    env.view.masses[:, 0] = torch.arange(NUM)
    assert buckets(env).values["mass"].tolist() == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


@pytest.mark.parametrize("kind", [MassEvent, DerivedMassEvent])
@pytest.mark.parametrize("mode", ["reset", "interval"])
def test_ids_follow_an_event_from_the_step_after_it(mode: str, kind: type) -> None:
    event = kind()
    env = environment(add_mass=(mode, event, {"asset_cfg": entity(bodies=[1])}))
    source = buckets(env)
    assert source.ids.tolist() == [1] * NUM, "all at the nominal value"
    event.values[:] = torch.tensor([3.0, 4.0, 5.0, 3.0, 4.0, 5.0])
    cfg = env.event_manager.get_term_cfg("add_mass")
    cfg.func(env, torch.tensor([0, 2, 5]), **cfg.params)
    assert source.ids.tolist() == [1] * NUM, "until the next rewards"
    reads = len(env.view.reads)
    source.refresh()
    assert source.ids.tolist() == [0, 1, 2, 1, 1, 2]
    source.refresh()
    assert len(env.view.reads) == reads + 1, "nothing is read again before the event is called again"
    cfg.func.reset(env_ids=None)
    assert event.resets == 1, "the term is still what the manager knows"
    source.release()
    assert cfg.func is event


def test_only_what_an_event_has_parameters_for_is_looked_at() -> None:
    gains = function("randomize_actuator_gains")
    env = environment(
        gains=("startup", gains, {"asset_cfg": entity(joints=[1]), "stiffness_distribution_params": (0.9, 1.1)}),
        com=("startup", function("randomize_rigid_body_com"), {"asset_cfg": entity(), "com_range": {"y": (-1, 1)}}),
    )
    env.view.gains["stiffness"][:, 1] = torch.tensor([18.0, 22.0] * 3)
    env.view.gains["damping"][:, 1] = torch.tensor([0.1, 0.9] * 3)
    env.view.coms[:, :, 1] = torch.tensor([0.0, 0.0, 0.0, 0.1, 0.1, 0.1]).unsqueeze(1)
    source = buckets(env)
    assert list(source.values) == ["stiffness knee", "com_y"]
    assert source.ids.tolist() == [0, 2, 0, 3, 1, 3]


def test_gains_of_an_explicit_actuator_are_its_own() -> None:
    env = environment(
        gains=(
            "startup",
            function("randomize_actuator_gains"),
            {"asset_cfg": entity(), "damping_distribution_params": (0.9, 1.1)},
        )
    )
    held = torch.tensor([[1.0], [2.0]] * 3)
    env.scene["robot"].actuators = {
        "knees": SimpleNamespace(is_implicit_model=False, joint_indices=[1], stiffness=held, damping=held)
    }
    assert buckets(env).values["damping"].tolist() == [0.75, 1.25] * 3


def test_materials_are_three_quantities() -> None:
    env = environment(grip=("startup", function("randomize_rigid_body_material"), {"asset_cfg": entity()}))
    env.view.materials[:3, :, 0] = 0.4
    source = buckets(env)
    assert list(source.values) == ["friction"]
    assert source.values["friction"].tolist() == pytest.approx([0.4] * 3 + [0.8] * 3)
    assert source.notes == (
        "Every environment has the same dynamic_friction (0.6), restitution (0), so there is nothing to tell apart.",
    )


def test_what_is_not_understood_is_said_and_what_writes_no_property_is_not() -> None:
    env = environment(
        push=("interval", function("push_by_setting_velocity"), {}),
        force=(
            "reset",
            function("apply_external_force_torque"),
            {"force_range": (0.0, 0.0), "torque_range": (-0.0, 0.0)},
        ),
        wind=(
            "reset",
            function("apply_external_force_torque"),
            {"force_range": (0.0, 9.0), "torque_range": (0.0, 0.0)},
        ),
        own=("reset", function("swap_the_legs"), {"asset_cfg": entity()}),
    )
    source = buckets(env)
    assert source.labels == ("all",)
    assert source.notes == (
        "What these events write is not read, so it makes no buckets: wind (apply_external_force_torque), own "
        "(swap_the_legs).",
    )
    assert not isinstance(env.event_manager.get_term_cfg("push").func, WatchedEvent)


def terrain(curriculum: bool = True) -> Any:
    shares = {"stairs": 0.25, "rough": 0.5, "slope": 0.25}
    generator = SimpleNamespace(
        curriculum=curriculum,
        num_cols=4,
        sub_terrains={name: SimpleNamespace(proportion=share) for name, share in shares.items()},
    )
    return SimpleNamespace(
        cfg=SimpleNamespace(terrain_generator=generator),
        terrain_types=torch.tensor([0, 1, 2, 3, 0, 2]),
        terrain_levels=torch.tensor([0, 1, 2, 3, 4, 5]),
        max_terrain_level=6,
    )


def test_generated_terrain_gives_class_and_level() -> None:
    ground = terrain()
    env = environment(ground)
    source = buckets(env)
    assert source.terrain_classes == ("stairs", "rough", "slope")
    assert source.labels[:4] == (
        "stairs | terrain_level below 2", "stairs | terrain_level 2-4", "stairs | terrain_level from 4",
        "rough | terrain_level below 2",
    )  # fmt: skip
    assert source.ids.tolist() == [0, 3, 4, 7, 2, 5]
    ground.terrain_levels[:] = 5
    source.refresh()
    assert source.ids.tolist() == [2, 5, 5, 8, 2, 5]
    assert source.metrics()["terrain/level_mean"].tolist() == [5.0, 5.0, 5.0]


def test_terrain_without_a_curriculum_has_no_known_classes() -> None:
    source = buckets(environment(terrain(curriculum=False)))
    assert source.labels == ("all",) and source.terrain_classes == () and "tile by tile at random" in source.notes[0]


def test_bucket_by_chooses_and_orders() -> None:
    env = environment(
        terrain(),
        mass=("startup", MassEvent(), {"asset_cfg": entity(bodies=[1])}),
        com=(
            "startup",
            function("randomize_rigid_body_com"),
            {"asset_cfg": entity(), "com_range": {"x": (-1, 1), "z": (-1, 1)}},
        ),
    )
    env.view.masses[:, 1] = torch.arange(NUM)
    env.view.coms[..., 0] = env.view.coms[..., 2] = torch.arange(NUM).unsqueeze(1)
    assert list(buckets(env, ("com", "mass")).values) == ["com_x", "com_z", "mass calf"]
    assert list(buckets(env, ("terrain_level",)).values) == ["terrain_level"]
    with pytest.raises(EngineError, match=r"no event of this task writes 'mas'\. Did you mean 'mass'"):
        buckets(env, ("mas",))


def test_what_does_not_fit_together_is_refused() -> None:
    env = environment()
    with pytest.raises(SurefootError, match="Did you mean 'events'"):
        attach_accounts(env, audit_config(), buckets="event")  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="say buckets='events' too"):
        attach_accounts(env, audit_config(), bucket_by=("mass",))
    with pytest.raises(EngineError, match="not from both"):
        attach_accounts(env, audit_config(), buckets="events", bucket=torch.zeros(NUM, dtype=torch.int64))
    with pytest.raises(EngineError, match="no event_manager"):
        attach_accounts(object(), audit_config(), buckets="events")


def test_a_refusal_gives_the_events_back() -> None:
    event = MassEvent()
    env = environment(mass=("reset", event, {"asset_cfg": entity()}))
    env.sim = SimpleNamespace(cfg=SimpleNamespace())
    with pytest.raises(EngineError, match="has no reward_manager"):
        attach_accounts(env, audit_config(), buckets="events")
    assert env.event_manager.get_term_cfg("mass").func is event
