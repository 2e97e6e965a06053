"""PhysX's tensor view of an articulation as torch tensors: 3.0 hands out and takes Warp's arrays, 2.3 tensors.

Isaac Sim's view has a method for each property, OvPhysX's one is asked by the name of the property's tensor.
Masses, inertias, materials and joint parameters live on the CPU, whatever the simulation's device.

Axis letters: N environments, n environments written to, J joints.
"""

from typing import Any

import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat.joint_parameters import JOINT_PARAMETERS

NUMBERED = 2.0**-20
"""Restitution by which a robot's file tells its collision geometries apart, times 1, 2, 3 and so on.

PhysX's view numbers the shapes of a body in an order that differs between environments, and has no names for them.
"""
_OVPHYSX = {
    "masses": "articulation_body_mass",
    "inertias": "articulation_body_inertia",
    "coms": "articulation_body_com_pose",
    "material_properties": "articulation_shape_friction_and_restitution",
} | {parameter.physx: parameter.ovphysx for parameter in JOINT_PARAMETERS.values()}
"""What OvPhysX calls the properties that Isaac Sim's view has methods for."""


class PhysxView:
    """Reads and writes what PhysX itself holds, not Isaac Lab's copy of it."""

    def __init__(self, view: Any) -> None:
        self._view = view

    def get(self, name: str) -> Tensor:
        """A copy of one of the view's properties, named as in `get_...`. Shape (N, ...)."""
        by_name = getattr(self._view, "get_attribute", None)
        held = by_name(_OVPHYSX[name]) if by_name is not None else getattr(self._view, f"get_{name}")()
        if not isinstance(held, Tensor):
            import warp

            held = warp.to_torch(held)
        return held.clone()

    def set(self, name: str, env_ids: Tensor, value: Tensor) -> None:
        """Write some environments' rows of a property. Shape (n, ...)."""
        held, rows = self.get(name), env_ids.to("cpu")
        held[rows] = value.to(held.device)
        if hasattr(self._view, "set_attribute"):
            import warp

            indices = warp.from_torch(rows.int())
            self._view.set_attribute(_OVPHYSX[name], warp.from_torch(held.contiguous()), indices=indices)
            return
        setter = getattr(self._view, f"set_{name}")
        if isinstance(getattr(self._view, f"get_{name}")(), Tensor):
            setter(held, rows)
        else:
            import warp

            setter(warp.from_torch(held), warp.from_torch(rows.int()))

    def joint_property(self, name: str) -> Tensor:
        """A joint parameter; NaN where numbers of PhysX differ that are one in the manifest. Shape (N, J)."""
        parameter = JOINT_PARAMETERS[name]
        held = self.get(parameter.physx)
        if not parameter.columns:
            return held
        held = held[..., list(parameter.columns)]
        return torch.where((held == held[..., :1]).all(dim=-1), held[..., 0], torch.nan)
