"""Buckets of a task that is not ours, from what its own events have written into the simulator.

Nothing is drawn here and no event's ranges are believed: a stock event says which asset, bodies and joints it writes,
and the simulator says what is there now. What an event writes is read again before the next rewards whenever it was
called: at resets, at intervals, or by hand.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.terrain_level import level_metrics
from surefoot.audit.value_buckets import Quantity, ValueBuckets
from surefoot.engines.isaaclab.compat.held import HeldProperties
from surefoot.errors import EngineError, did_you_mean

TERRAIN, LEVEL = "terrain", "terrain_level"
LEVEL_INTERVALS = 3
STATE_EVENTS = frozenset({
    "push_by_setting_velocity", "reset_root_state_uniform", "reset_root_state_with_random_orientation",
    "reset_root_state_from_terrain", "reset_joints_by_scale", "reset_joints_by_offset",
    "reset_joints_within_limits_range", "reset_nodal_state_uniform", "reset_scene_to_default",
    "randomize_visual_texture_material", "randomize_visual_color",
})  # fmt: skip
"""Stock events that write the state or the looks, which no bucket is made of."""
_UNITS = {
    "mass": "kg", "inertia": "kg m^2", "com_x": "m", "com_y": "m", "com_z": "m", "friction": "-",
    "dynamic_friction": "-", "restitution": "-", "stiffness": "N m/rad", "damping": "N m s/rad",
    "joint_friction": "N m", "armature": "kg m^2", "lower_limit": "rad", "upper_limit": "rad",
}  # fmt: skip
"""Of revolute joints; a prismatic joint has N and m in their place."""


class WatchedEvent:
    """An event term that notes that it was called; everything else goes to it unchanged."""

    def __init__(self, func: Any, called: Callable[[], None]) -> None:
        self.func = func
        self._called = called

    def __call__(self, *args: Any, **params: Any) -> Any:
        self._called()
        return self.func(*args, **params)

    def __getattr__(self, name: str) -> Any:
        if name in ("func", "_called"):  # not there yet: copy and pickle ask before __init__ has run
            raise AttributeError(name)
        return getattr(self.func, name)


class EventBuckets(ValueBuckets):
    """A `BucketSource` for an environment of Isaac Lab.

    Args:
        env: With an `event_manager`; a generated terrain is used where the scene has one.
        newton: The backend is Newton.
        bucket_by: Names to keep, of a quantity (`mass base`) or of its kind (`mass`); default: all.

    Raises:
        EngineError: A name in `bucket_by` that no event of this task writes.
    """

    def __init__(self, env: Any, newton: bool, bucket_by: Sequence[str] = ()) -> None:
        self._env, self._newton = env, newton
        self._watched: list[tuple[Any, WatchedEvent]] = []
        self._touched: set[str] = set()
        self._said: list[str] = []
        found, written_by = self._found()
        quantities = _wanted(list(found.values()), bucket_by)
        names = {quantity.name for quantity in quantities}
        self._has_level = LEVEL in names
        self._levels = _levels(env)
        classes = self._classes.names if self._classes is not None else ()
        super().__init__(quantities, env.num_envs, env.device, classes, self._said)
        for cfg, mine in written_by:
            if touched := mine & names:
                self._watch(cfg, touched)

    def refresh(self) -> None:
        """Read again what an event has touched since the last step, and the levels, which a curriculum moves."""
        touched = self._touched | ({LEVEL} if self._has_level else set())
        if touched:
            self._touched.clear()
            self.read_again(tuple(touched))

    def metrics(self) -> Flush:
        """Values in force, and the mean level of each class of terrain."""
        flush = super().metrics()
        if self._classes is not None and self._levels is not None:
            flush |= level_metrics(self._levels().long(), self._classes.ids, self._classes.names)
        return flush

    def release(self) -> None:
        """Give the event manager its terms back."""
        for cfg, watched in self._watched:
            if cfg.func is watched:
                cfg.func = watched.func
        self._watched.clear()

    def _watch(self, cfg: Any, names: set[str]) -> None:
        cfg.func = watched = WatchedEvent(cfg.func, partial(self._touched.update, names))
        self._watched.append((cfg, watched))

    def _found(self) -> tuple[dict[str, Quantity], list[tuple[Any, set[str]]]]:
        """Quantities by name, and which of them each event writes."""
        found: dict[str, Quantity] = {}
        written_by: list[tuple[Any, set[str]]] = []
        self._classes = _terrain_classes(self._env, self._said)
        if self._classes is not None and (levels := _levels(self._env)) is not None:
            ids = self._classes.ids
            found[TERRAIN] = Quantity(TERRAIN, "-", lambda: ids, False, classes=self._classes.names)
            rows = int(self._env.scene.terrain.max_terrain_level)
            cuts = sorted({round(rows * k / LEVEL_INTERVALS) for k in range(1, LEVEL_INTERVALS)} - {0})
            found[LEVEL] = Quantity(LEVEL, "-", levels, True, edges=tuple(map(float, cuts)))
        unknown: list[str] = []
        for mode, name, cfg in _events(self._env):
            kind = _function(cfg.func)
            if kind in STATE_EVENTS or _does_nothing(kind, cfg.params):
                continue
            readers = dict(self._readers(kind, cfg))
            if not readers:
                unknown.append(f"{name} ({kind})")
                continue
            changes = mode != "startup"
            for label, (unit, read) in readers.items():
                before = found.get(label)
                found[label] = Quantity(label, unit, read, changes or (before is not None and before.changes))
            written_by.append((cfg, set(readers)))
        if unknown:
            self._said.append(f"What these events write is not read, so it makes no buckets: {', '.join(unknown)}.")
        return found, written_by

    def _readers(self, kind: str, cfg: Any) -> Iterator[tuple[str, tuple[str, Callable[[], Tensor]]]]:
        """Name, unit and reader of each quantity that a stock event writes with the parameters that it has."""
        params = cfg.params
        if kind not in _WRITES or "asset_cfg" not in params:
            return
        entity = params["asset_cfg"]
        asset = self._env.scene[entity.name]
        held = HeldProperties(asset, self._newton)
        for name, needs in _WRITES[kind].items():
            if needs is not None and not _given(params, needs):
                continue
            if name == "dynamic_friction" and self._newton:  # it has one coefficient
                continue
            part, read = _reader(held, name, entity, asset)
            words = [name, *([entity.name] if entity.name != "robot" else []), *([part] if part else [])]
            yield " ".join(words), (_UNITS[name], partial(self._on_device, read))

    def _on_device(self, read: Callable[[], Tensor]) -> Tensor:
        return read().to(self._env.device, torch.float32)


_WRITES: dict[str, dict[str, str | None]] = {
    "randomize_rigid_body_mass": {"mass": None},
    "randomize_rigid_body_inertia": {"inertia": None},
    "randomize_rigid_body_com": {"com_x": "com_range.x", "com_y": "com_range.y", "com_z": "com_range.z"},
    "randomize_rigid_body_material": {"friction": None, "dynamic_friction": None, "restitution": None},
    "randomize_actuator_gains": {
        "stiffness": "stiffness_distribution_params", "damping": "damping_distribution_params",
    },
    "randomize_joint_parameters": {
        "joint_friction": "friction_distribution_params", "armature": "armature_distribution_params",
        "lower_limit": "lower_limit_distribution_params", "upper_limit": "upper_limit_distribution_params",
    },
}  # fmt: skip
"""What stock events write, and the parameter without which they leave it alone."""


class _Classes:
    """Class of terrain that each environment stands on: that of its column."""

    def __init__(self, names: tuple[str, ...], ids: Tensor) -> None:
        self.names, self.ids = names, ids


def _events(env: Any) -> Iterator[tuple[str, str, Any]]:
    """Mode, name and configuration of every event."""
    manager = env.event_manager
    for mode, names in manager.active_terms.items():
        for name in names:
            yield mode, name, manager.get_term_cfg(name)


def _function(func: Any) -> str:
    """Name of a stock event behind a term: a function, a class, or something derived from one."""
    while isinstance(func, WatchedEvent):
        func = func.func
    names = [kind.__name__ for kind in type(func).__mro__] if not hasattr(func, "__name__") else [func.__name__]
    return next((name for name in names if name in _WRITES or name in STATE_EVENTS), names[0])


def _does_nothing(kind: str, params: dict[str, Any]) -> bool:
    """Isaac Lab's velocity tasks have an external force of nothing, for their users to change."""
    ranges = (params.get("force_range"), params.get("torque_range"))
    return kind == "apply_external_force_torque" and all(span is not None and not any(span) for span in ranges)


def _given(params: dict[str, Any], path: str) -> bool:
    here: Any = params
    for part in path.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    return here is not None


def _reader(held: HeldProperties, name: str, entity: Any, asset: Any) -> tuple[str, Callable[[], Tensor]]:
    """Which part of the asset is meant, and one number of it for each environment.

    Masses of several bodies are added up; of everything else the mean is taken. Shape (N,) from the reader.
    """
    bodies = _columns(entity.body_ids)
    part = _part(entity.body_ids, getattr(asset, "body_names", ()), "bodies")
    if name == "mass":
        return part, lambda: held.masses()[:, bodies].double().sum(dim=1)
    if name == "inertia":
        return part, lambda: held.inertias()[:, bodies][..., [0, 4, 8]].double().mean(dim=(1, 2))
    if name.startswith("com_"):
        axis = "xyz".index(name[-1])
        return part, lambda: held.coms()[:, bodies, axis].double().mean(dim=1)
    if name in ("friction", "dynamic_friction", "restitution"):
        shapes = held.shapes_of(entity.body_ids)
        return part, lambda: held.materials()[name][:, shapes].double().mean(dim=1)
    joints = _columns(entity.joint_ids)
    part = _part(entity.joint_ids, getattr(asset, "joint_names", ()), "joints")
    if name in ("stiffness", "damping"):
        return part, lambda: held.gains(name)[:, joints].double().mean(dim=1)
    return part, lambda: held.joint_parameter(name)[:, joints].double().mean(dim=1)


def _columns(ids: Any) -> Any:
    return ids if isinstance(ids, (slice, Tensor)) else list(ids)


def _part(ids: Any, names: Sequence[str], noun: str) -> str:
    """Nothing for the whole asset, the name for one part of it, else how many."""
    if isinstance(ids, slice) or len(ids) == len(names):
        return ""
    return names[int(ids[0])] if len(ids) == 1 else f"{len(ids)} {noun}"


def _wanted(found: list[Quantity], bucket_by: Sequence[str]) -> list[Quantity]:
    if not bucket_by:
        return found
    known = [quantity.name for quantity in found]
    near = list(dict.fromkeys(word for name in known for word in (name.partition(" ")[0], name))) or ["none"]
    for name in bucket_by:
        if not any(_is_called(other, name) for other in known):
            raise EngineError(f"bucket_by: no event of this task writes {name!r}. {did_you_mean(name, near)}")
    return [next(q for q in found if q.name == name) for name in _in_order(known, bucket_by)]


def _in_order(known: Sequence[str], bucket_by: Sequence[str]) -> list[str]:
    """The caller's order is that of importance."""
    return list(dict.fromkeys(name for wanted in bucket_by for name in known if _is_called(name, wanted)))


def _is_called(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted} ") or (wanted == "com" and name.startswith("com_"))


def _levels(env: Any) -> Callable[[], Tensor] | None:
    terrain = getattr(env.scene, "terrain", None)
    if terrain is None or getattr(terrain, "terrain_levels", None) is None:
        return None
    return lambda: terrain.terrain_levels


def _terrain_classes(env: Any, notes: list[str]) -> _Classes | None:
    """Sub-terrain of each environment's column; None where the ground has no columns of one kind."""
    terrain = getattr(env.scene, "terrain", None)
    generator = getattr(getattr(terrain, "cfg", None), "terrain_generator", None)
    if generator is None or getattr(terrain, "terrain_types", None) is None:
        return None
    if not generator.curriculum:
        notes.append(
            "The terrain is generated without a curriculum, tile by tile at random, so neither the kind nor the level "
            "of the ground below an environment is known."
        )
        return None
    assert terrain is not None
    names = list(generator.sub_terrains)
    share = torch.tensor([cfg.proportion for cfg in generator.sub_terrains.values()], dtype=torch.float64)
    upper = (share / share.sum()).cumsum(dim=0)
    columns = torch.arange(generator.num_cols, dtype=torch.float64) / generator.num_cols + 0.001
    # Isaac Lab's TerrainGenerator: the first class whose share reaches beyond the column.
    of_column = torch.bucketize(columns, upper, right=True).clamp(max=len(names) - 1)
    present = of_column.unique()
    number = torch.bucketize(of_column, present)
    ids = number.to(terrain.terrain_types.device)[terrain.terrain_types]
    return _Classes(tuple(names[int(index)] for index in present), ids)
