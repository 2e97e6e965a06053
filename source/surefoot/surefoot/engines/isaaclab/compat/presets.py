"""Physics backends as presets of a configuration, which 3.0 has and 2.3 has not."""

import re
from typing import Any

import torch

from surefoot.engines.isaaclab.compat.versions import BACKENDS, PHYSX
from surefoot.errors import unknown_name

_CLASSES = {"NewtonCfg": "newton_mjwarp", "OvPhysxCfg": "ovphysx", "PhysxCfg": "isaacsim_physx"}
_SENSORS = ("feet", "base", "limbs")


def default_device() -> str:
    """`cuda:0` where there is one."""
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def joined_backends(built: dict[str, Any]) -> Any:
    """One configuration from several that differ in their backend, by name; the first is the default."""
    names = list(built)
    cfg = built[names[0]]
    if len(names) == 1:
        return cfg
    from isaaclab_tasks.utils import preset

    cfg.sim.physics = preset(default=cfg.sim.physics, **{name: built[name].sim.physics for name in names})
    for sensor in _SENSORS:
        choices = {name: getattr(built[name].scene, sensor) for name in names}
        if any(choice is not None for choice in choices.values()):
            setattr(cfg.scene, sensor, preset(default=choices[names[0]], **choices))
    return cfg


def backend_of(sim: Any) -> str:
    """Backend of a configuration whose presets are resolved.

    Raises:
        UnknownName: One that this engine does not have.
    """
    if not hasattr(sim, "physics"):
        return "isaacsim_physx"
    name = type(sim.physics).__name__
    if name not in _CLASSES:
        raise unknown_name("Physics of env.sim.physics", name, _CLASSES)
    return _CLASSES[name]


def chosen_backend(overrides: list[str]) -> tuple[str | None, list[str]]:
    """Isaac Lab's `physics=NAME` and `presets=NAME` among overrides, and the other overrides.

    Raises:
        UnknownName: Neither version has a backend of that name.
    """
    known = sorted({PHYSX, *(name for names in BACKENDS.values() for name in names)})
    rest, backend = [], None
    for text in overrides:
        found = re.fullmatch(r"(physics|presets)=(.*)", text)
        if found is None:
            rest.append(text)
            continue
        backend = found[2]
        if backend not in known:
            raise unknown_name("Physics backend" if found[1] == "physics" else "Preset", backend, known)
    return backend, rest
