"""PhysX's tensor view of an articulation as torch tensors: 3.0 hands out and takes Warp's arrays, 2.3 tensors.

Isaac Sim's view has a method for each property, OvPhysX's one is asked by the name of the property's tensor.
Masses, inertias, materials and joint parameters live on the CPU, whatever the simulation's device.

Axis letters: N environments, n environments written to, J joints.
"""

from typing import Any

import torch
from torch import Tensor

JOINT_PROPERTIES = {
    "stiffness": "dof_stiffnesses",
    "damping": "dof_dampings",
    "effort_limit": "dof_max_forces",
    "armature": "dof_armatures",
}
"""Where the view has a joint parameter."""

_OVPHYSX = {
    "masses": "articulation_body_mass",
    "inertias": "articulation_body_inertia",
    "coms": "articulation_body_com_pose",
    "material_properties": "articulation_shape_friction_and_restitution",
    "dof_stiffnesses": "articulation_dof_stiffness",
    "dof_dampings": "articulation_dof_damping",
    "dof_max_forces": "articulation_dof_max_force",
    "dof_armatures": "articulation_dof_armature",
    "dof_friction_properties": "articulation_dof_friction_properties",
}
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
        """A joint parameter. Shape (N, J).

        Friction is NaN where its two torques differ: there is one in the manifest, that at rest and in motion.
        """
        if name != "joint_friction":
            return self.get(JOINT_PROPERTIES[name])
        static, dynamic, _ = self.get("dof_friction_properties").unbind(dim=-1)
        return torch.where(static == dynamic, static, torch.nan)
