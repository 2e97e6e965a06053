"""PhysX's tensor view of an articulation as torch tensors: 3.0 hands out and takes Warp's arrays, 2.3 tensors.

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


class PhysxView:
    """Reads and writes what PhysX itself holds, not Isaac Lab's copy of it."""

    def __init__(self, view: Any) -> None:
        self._view = view

    def get(self, name: str) -> Tensor:
        """A copy of one of the view's properties, named as in `get_...`. Shape (N, ...)."""
        held = getattr(self._view, f"get_{name}")()
        if not isinstance(held, Tensor):
            import warp

            held = warp.to_torch(held)
        return held.clone()

    def set(self, name: str, env_ids: Tensor, value: Tensor) -> None:
        """Write some environments' rows of a property. Shape (n, ...)."""
        held, rows = self.get(name), env_ids.to("cpu")
        held[rows] = value.to(held.device)
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
