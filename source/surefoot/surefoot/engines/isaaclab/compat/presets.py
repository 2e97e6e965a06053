"""Physics backends as presets of a configuration, which 3.0 has and 2.3 has not."""

from typing import Any

import torch

from surefoot.engines.isaaclab.compat.versions import BACKENDS, PHYSX, isaaclab_version, physics_backend
from surefoot.errors import unknown_name

_CLASSES = {"NewtonCfg": "newton_mjwarp", "OvPhysxCfg": "ovphysx", "PhysxCfg": "isaacsim_physx"}
_AUTO = "PhysxAutoCfg"
SENSORS = ("feet", "base", "limbs")
"""Contact sensors of the scene, whose class depends on the backend."""


def default_device() -> str:
    """`cuda:0` where there is one."""
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def joined_backends(built: dict[str, Any]) -> Any:
    """One configuration from several that differ in their backend, by name; the first is the default.

    Beside them stands `physx`, which Isaac Lab resolves when it launches: to Isaac Sim's where something needs Kit, to
    PhysX without Isaac Sim otherwise.
    """
    names = list(built)
    cfg = built[names[0]]
    if len(names) == 1:
        return cfg
    from isaaclab_tasks.utils import preset

    physics = {name: built[name].sim.physics for name in names}
    physics[PHYSX] = _auto_physx(physics)
    cfg.sim.physics = preset(default=cfg.sim.physics, **physics)
    built = built | {PHYSX: built[physics_backend(isaaclab_version(), PHYSX)]}
    for sensor in SENSORS:
        choices = {name: getattr(each.scene, sensor) for name, each in built.items()}
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


def resolve_physx(sim: Any) -> None:
    """Put a backend in the place of `physx` where nothing has launched Isaac Lab, which would have."""
    if type(getattr(sim, "physics", None)).__name__ == _AUTO:
        sim.physics = getattr(sim.physics, physics_backend(isaaclab_version(), PHYSX))


def same_preset(backend: str) -> list[str]:
    """Other backends that `physx` may have stood for when the rest of a configuration was chosen."""
    both = ["ovphysx", "isaacsim_physx"]
    known = BACKENDS[isaaclab_version()]
    return [name for name in both if name in known and name != backend] if backend in both else []


def _auto_physx(physics: dict[str, Any]) -> Any:
    from isaaclab.physics import PhysxAutoCfg

    return PhysxAutoCfg(**{name: physics[name] for name in ("isaacsim_physx", "ovphysx")})
