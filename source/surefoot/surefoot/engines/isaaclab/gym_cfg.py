"""The configuration that Isaac Lab's own scripts load, change and build a surefoot task from.

The manifest stays the one definition. It stands in the configuration as plain data, so that any of its keys is an
override (`env.manifest.task.rewards.torques.weight=-0.001`). What Isaac Lab's users expect to override under its own
name (`env.rewards.torques.weight=-0.001`) is carried into the manifest, and the managers are built from the manifest
again when the environment is. What was added in Python is kept, and recorded in the manifest (`extension.py`).
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isaaclab.envs import ManagerBasedRLEnvCfg

from surefoot.engines.isaaclab import compat
from surefoot.engines.isaaclab.binder import build_env_cfg
from surefoot.engines.isaaclab.compat import presets, video
from surefoot.engines.isaaclab.compat.command_line import refuse_gone_flags
from surefoot.engines.isaaclab.extension import Terms, additions, describe, restore
from surefoot.engines.isaaclab.robot_model import load_robot_model
from surefoot.errors import EngineError
from surefoot.manifest import Manifest, validate
from surefoot.manifest.playing import playing

_NO_FILES = Path("surefoot-usd-is-written-when-the-environment-is-built")
_GOVERNED = (
    "scene", "observations", "actions", "commands", "events", "rewards", "terminations", "curriculum", "decimation",
    "episode_length_s", "seed",
)  # fmt: skip
"""Sections that follow from the manifest; the others are Isaac Lab's own."""
_CARRIED = {
    r"seed": "seed",
    r"decimation": "simulation.decimation",
    r"episode_length_s": "task.episode_length",
    r"scene\.num_envs": "training.num_envs",
    r"scene\.env_spacing": "task.terrain.env_spacing",
    r"sim\.dt": "simulation.timestep",
    r"rewards\.(\w+)\.weight": r"task.rewards.\1.weight",
    r"observations\.(\w+)\.(\w+)\.(scale|clip)": r"task.observations.\1.terms.\2.\3",
}
"""Isaac Lab's names of numbers that the manifest holds."""
_DROPPED = {
    r"rewards\.(\w+)": r"task.rewards.\1",
    r"terminations\.(\w+)": r"task.terminations.\1",
    r"observations\.(\w+)\.(\w+)": r"task.observations.\1.terms.\2",
}
"""Terms that Isaac Lab's users take out by setting them to None."""


@compat.configclass
class SurefootEnvCfg(ManagerBasedRLEnvCfg):
    """Isaac Lab's configuration and the manifest behind it."""

    manifest: Any = None
    """Plain data; overrides go here."""
    built_from: str = ""
    """Canonical JSON of the manifest that the sections of Isaac Lab were built from."""

    def play_mode(self) -> None:
        """What Isaac Lab 3.0's `play` asks for: no pushes, no observation noise, fewer environments."""
        presets.resolve_physx(self.sim)
        final_env_cfg(self, playing(settled(self)), _NO_FILES)


def task_env_cfg(manifest: Manifest) -> SurefootEnvCfg:
    """What `env_cfg_entry_point` gives: every backend of the installed version as a preset where it has presets."""
    return SurefootEnvCfg(**_task_sections(manifest))


def task_env_cfg_class(manifest: Manifest, module: str) -> type[SurefootEnvCfg]:
    """A class whose instances are `task_env_cfg(manifest)`, to derive from as from any configuration of Isaac Lab.

    Args:
        manifest: The task.
        module: Where the class says that it is from.
    """

    def fill_in(self: SurefootEnvCfg) -> None:
        for name, value in _task_sections(manifest).items():
            setattr(self, name, value)

    return compat.configclass(
        type("TaskEnvCfg", (SurefootEnvCfg,), {"__post_init__": fill_in, "__module__": module, "__annotations__": {}})
    )


def settled(cfg: SurefootEnvCfg) -> Manifest:
    """The manifest with every override in it, and with the record of what was added in Python.

    Raises:
        EngineError: An override of something that is not Isaac Lab's to say; names the manifest's key or section.
        ManifestError: The result does not fit the schema.
    """
    built = _as_built(cfg)
    added = additions(built, cfg)
    new = {".".join(path) for path, _ in added}
    wanted = _copy(cfg.manifest)
    wanted.pop("extension", None)  # found anew: only what is there counts
    for path, value in _differences(built, cfg):
        if any(f"{path}.".startswith(f"{name}.") for name in new):
            continue
        if (key := _match(path, _CARRIED)) is not None:
            _put(wanted, key, value)
        elif value is None and (key := _match(path, _DROPPED)) is not None:
            _drop(wanted, key)
        else:
            raise EngineError(
                f"env.{path}: this follows from the manifest and cannot be set here; set the key under env.manifest "
                "(manifests/README.md lists them), or add a term under a name of its own."
            )
    manifest = validate(wanted, "Isaac Lab's overrides under env")
    return manifest.model_copy(update={"extension": describe(added, manifest)})


def final_env_cfg(cfg: SurefootEnvCfg, manifest: Manifest, folder: Path) -> ManagerBasedRLEnvCfg:
    """The configuration to simulate: what follows from the manifest anew, everything else as it was given.

    Raises:
        EngineError: The solver was set both here and in the manifest.
    """
    before = _as_built(cfg)
    added = additions(before, cfg)
    built = _build(manifest, presets.backend_of(cfg.sim), cfg.sim.device, folder)
    for name in _GOVERNED:
        setattr(cfg, name, getattr(built, name))
    restore(cfg, added)
    cfg.sim.dt, cfg.sim.render_interval = built.sim.dt, built.sim.render_interval
    if _physics(before.sim) != _physics(built.sim):
        if _physics(before.sim) != _physics(cfg.sim):
            raise EngineError("env.sim.physics and env.manifest.simulation were both changed; set one of them.")
        cfg.sim.physics = built.sim.physics
    _remember(cfg, manifest)
    return cfg


def _task_sections(manifest: Manifest) -> dict[str, Any]:
    if compat.isaaclab_version() == "3.0":
        refuse_gone_flags(sys.orig_argv)
    device = presets.default_device()
    built = {backend: _build(manifest, backend, device) for backend in compat.BACKENDS[compat.isaaclab_version()]}
    sections = dict(vars(presets.joined_backends(built)))
    plain = {"manifest": manifest.to_plain(), "built_from": manifest.canonical_json}
    return sections | video.recorders() | plain


def _remember(cfg: SurefootEnvCfg, manifest: Manifest) -> None:
    cfg.manifest = manifest.to_plain()
    cfg.built_from = manifest.canonical_json


def _as_built(cfg: SurefootEnvCfg) -> ManagerBasedRLEnvCfg:
    """As the entry point gave it, for the backend that was chosen since."""
    manifest = validate(json.loads(cfg.built_from), "Isaac Lab's configuration")
    backend = presets.backend_of(cfg.sim)
    built = _build(manifest, backend, cfg.sim.device)
    for name in presets.SENSORS:
        # `physics=physx` chose the sensors before it was known where PhysX would run.
        for other in presets.same_preset(backend):
            sensor = getattr(_build(manifest, other, cfg.sim.device).scene, name)
            if sensor is not None and _same(sensor, getattr(cfg.scene, name)):
                setattr(built.scene, name, sensor)
    return built


def _same(one: Any, other: Any) -> bool:
    return other is not None and one.to_dict() == other.to_dict()


def _build(manifest: Manifest, backend: str, device: str, folder: Path = _NO_FILES) -> ManagerBasedRLEnvCfg:
    model = load_robot_model(manifest.robot, manifest.simulation.contact_model)
    num_envs = manifest.training.num_envs
    cfg = build_env_cfg(manifest, model, folder, backend=backend, device=device, num_envs=num_envs)
    for name in ("observations", "rewards", "terminations", "events", "curriculum"):
        setattr(cfg, name, Terms(getattr(cfg, name)))
    return cfg


def _physics(sim: Any) -> Any:
    return sim.physics.to_dict() if hasattr(sim, "physics") else None


def _differences(built: ManagerBasedRLEnvCfg, cfg: ManagerBasedRLEnvCfg) -> Iterator[tuple[str, Any]]:
    """Path and value of whatever was changed and follows from the manifest."""
    before, now = built.to_dict(), cfg.to_dict()
    for name in _GOVERNED:
        yield from _walk(before[name], now[name], name)
    yield from _walk(before["sim"]["dt"], now["sim"]["dt"], "sim.dt")


def _walk(before: Any, now: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before.keys() | now.keys():
            yield from _walk(before.get(key), now.get(key), f"{path}.{key}")
    elif _plain(before) != _plain(now):
        yield path, now


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _match(path: str, patterns: dict[str, str]) -> str | None:
    for pattern, key in patterns.items():
        if found := re.fullmatch(pattern, path):
            return found.expand(key)
    return None


def _drop(plain: dict[str, Any], key: str) -> None:
    *parents, last = key.split(".")
    here: Any = plain
    for part in parents:
        here = here[part]
    here.pop(last, None)


def _put(plain: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    here: Any = plain
    for part in parents:
        here = here[part]
    here[last] = value


def _copy(value: Any) -> Any:
    """Plain dicts and lists, whatever mapping the overrides have left."""
    if hasattr(value, "items"):
        return {str(key): _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, (list, tuple)) else value
