"""What the physics holds of any asset of a scene, also of one that is not ours: read back, never written.

Bodies and joints stand in the order that Isaac Lab shows to its users. Axis letters: N environments, B bodies, J
joints, S collision shapes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat.data import as_tensor
from surefoot.engines.isaaclab.compat.physx_view import PhysxView

_RIGID_ON_OVPHYSX = {
    "masses": "rigid_body_mass",
    "inertias": "rigid_body_inertia",
    "coms": "rigid_body_com_pose",
    "material_properties": "rigid_body_shape_friction_and_restitution",
}
"""OvPhysX's names for a body without joints, by those of Isaac Sim's view."""
_LIMITS_ON_OVPHYSX = "articulation_dof_limit"
_NATIVE_GAINS = {"stiffness": "kp", "damping": "kd"}
_JOINT_DATA = {"joint_friction": "joint_friction_coeff", "armature": "joint_armature"}


class HeldProperties:
    """Reads what the simulator has of one articulation or rigid object.

    Args:
        asset: Of Isaac Lab's scene.
        newton: The backend is Newton, whose model Isaac Lab's data are views of; PhysX is asked itself.
    """

    def __init__(self, asset: Any, newton: bool) -> None:
        self._asset, self._newton = asset, newton
        self._articulated = hasattr(asset, "joint_names")

    def masses(self) -> Tensor:
        """kg. Shape (N, B)."""
        return as_tensor(self._asset.data.body_mass) if self._newton else self._bodies("masses")

    def inertias(self) -> Tensor:
        """kg m^2 about the centre of mass, in the link's axes. Shape (N, B, 9)."""
        held = as_tensor(self._asset.data.body_inertia) if self._newton else self._bodies("inertias")
        return held.view(len(held), -1, 9)

    def coms(self) -> Tensor:
        """Centres of mass in the link frames, m. Shape (N, B, 3)."""
        return as_tensor(self._asset.data.body_com_pos_b) if self._newton else self._bodies("coms")[..., :3]

    def materials(self) -> dict[str, Tensor]:
        """`friction` and `restitution`, on PhysX `dynamic_friction` too. Shape (N, S) each."""
        if not self._newton:
            static, dynamic, restitution = self._physx("material_properties").unbind(dim=-1)
            return {"friction": static, "dynamic_friction": dynamic, "restitution": restitution}
        import warp
        from isaaclab_newton.physics import NewtonManager

        view, model = self._asset.root_view, NewtonManager.get_model()
        names = {"friction": "shape_material_mu", "restitution": "shape_material_restitution"}
        return {key: warp.to_torch(view.get_attribute(name, model)[:, 0]) for key, name in names.items()}

    def shapes_of(self, body_ids: Sequence[int] | slice) -> list[int] | slice:
        """Columns of `materials` that belong to some bodies; all of them on PhysX, whose view does not tell."""
        if isinstance(body_ids, slice) or not (self._newton and self._articulated):
            return slice(None)
        shapes = self._asset.root_view.body_shapes
        return [shape for body in _backend(self._asset, "body", body_ids) for shape in shapes[body]]

    def gains(self, name: str) -> Tensor:
        """`stiffness` or `damping`: the physics' own drives, or, of an explicit actuator, its own. Shape (N, J)."""
        held = self._joints(name).clone()
        group: Any = self._asset.actuators
        native = getattr(group, "_native_group_names", ())
        for label, actuator in group.items():
            if label in native:
                from isaaclab.actuators.newton import read_group_parameter

                columns = group._group_joint_indices[label]
                value = read_group_parameter(group, label, "controller", _NATIVE_GAINS[name])
            elif getattr(actuator, "is_implicit_model", False) or not isinstance(getattr(actuator, name, None), Tensor):
                continue
            else:
                columns, value = actuator.joint_indices, getattr(actuator, name)
            held[:, columns] = value.to(held.device)
        return held

    def joint_parameter(self, name: str) -> Tensor:
        """`joint_friction` (on PhysX the static one), `armature`, `lower_limit` or `upper_limit`. Shape (N, J)."""
        return self._joints(name)

    def _joints(self, name: str) -> Tensor:
        if self._newton:
            data = self._asset.data
            if name in ("lower_limit", "upper_limit"):
                return as_tensor(getattr(data, f"joint_pos_limits_{name.removesuffix('_limit')}"))
            return as_tensor(getattr(data, _JOINT_DATA.get(name, f"joint_{name}")))
        if name in ("lower_limit", "upper_limit"):
            held = self._physx("dof_limits")[..., 0 if name == "lower_limit" else 1]
        elif name == "joint_friction":
            held = self._physx("dof_friction_properties")[..., 0]
        else:
            held = PhysxView(self._view()).joint_property(name)
        return held[:, _backend(self._asset, "joint", range(held.shape[1]))]

    def _bodies(self, name: str) -> Tensor:
        held = self._physx(name)
        held = held.view(self._asset.num_instances, -1, *held.shape[2 if self._articulated else 1 :])
        if name == "masses":
            held = held.view(len(held), -1)
        return held[:, _backend(self._asset, "body", range(held.shape[1]))]

    def _physx(self, name: str) -> Tensor:
        view = self._view()
        if not hasattr(view, "get_attribute"):
            return PhysxView(view).get(name)
        if name == "dof_limits":
            return _torch(view.get_attribute(_LIMITS_ON_OVPHYSX))
        if self._articulated:
            return PhysxView(view).get(name)
        return _torch(view.get_attribute(_RIGID_ON_OVPHYSX[name]))

    def _view(self) -> Any:
        return self._asset.root_view if hasattr(self._asset, "root_view") else self._asset.root_physx_view


def _backend(asset: Any, kind: str, ids: Sequence[int]) -> list[int]:
    """Columns of the backend's view for those that Isaac Lab shows; 2.3 shows the backend's own order."""
    translate = getattr(asset, f"map_{kind}_ids_to_backend", None)
    return list(translate(list(ids))) if translate is not None else list(ids)


def _torch(array: Any) -> Tensor:
    import warp

    return torch.as_tensor(array) if isinstance(array, Tensor) else warp.to_torch(array)
