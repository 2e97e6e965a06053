"""Masses, joint parameters and friction of the simulated robots.

Axis letters: N environments, n environments written to, B bodies, J joints, G geometries.
"""

from typing import Any

from torch import Tensor

from surefoot.engines.isaaclab.compat.data import as_tensor

JOINT_PARAMETERS = {
    "stiffness": ("joint_stiffness", "write_joint_stiffness_to_sim", "stiffness"),
    "damping": ("joint_damping", "write_joint_damping_to_sim", "damping"),
    "effort_limit": ("joint_effort_limits", "write_joint_effort_limit_to_sim", "limits"),
    "armature": ("joint_armature", "write_joint_armature_to_sim", "armature"),
    "joint_friction": (
        "joint_friction_coeff", "write_joint_friction_coefficient_to_sim", "joint_friction_coeff",
    ),
}  # fmt: skip
"""Name in the articulation's data, method that writes it (3.0 appends `_index`), and that method's argument."""


class RobotParameters:
    """What the physics holds of an articulation: through Newton's model or PhysX's view, which is on the CPU.

    Bodies, joints and geometries stand in Isaac Lab's order.
    """

    def __init__(self, robot: Any, version: str, backend: str) -> None:
        self._robot, self._version, self._newton = robot, version, backend == "newton_mjwarp"

    def masses(self) -> Tensor:
        """kg, as simulated. Shape (N, B)."""
        view = self._physx_view()
        return as_tensor(self._robot.data.body_mass) if view is None else view.get_masses()

    def inertias(self) -> Tensor:
        """kg m^2 about the centre of mass, as simulated. Shape (N, B, 9)."""
        view = self._physx_view()
        return as_tensor(self._robot.data.body_inertia) if view is None else view.get_inertias()

    def coms(self) -> Tensor:
        """m, centres of mass in the link frames, as simulated. Shape (N, B, 3)."""
        view = self._physx_view()
        return as_tensor(self._robot.data.body_com_pos_b) if view is None else view.get_coms()[..., :3]

    def write_masses(self, env_ids: Tensor, masses: Tensor) -> None:
        """kg. Shape (n, B)."""
        if (view := self._physx_view()) is None:
            self._robot.set_masses_index(masses=masses.contiguous(), env_ids=env_ids)
        else:
            self._write_view(view.get_masses(), env_ids, masses, view.set_masses)

    def write_inertias(self, env_ids: Tensor, inertias: Tensor) -> None:
        """kg m^2. Shape (n, B, 9)."""
        if (view := self._physx_view()) is None:
            self._robot.set_inertias_index(inertias=inertias.contiguous(), env_ids=env_ids)
        else:
            self._write_view(view.get_inertias(), env_ids, inertias, view.set_inertias)

    def write_coms(self, env_ids: Tensor, coms: Tensor) -> None:
        """m; the axes of the inertia stay. Shape (n, B, 3)."""
        if (view := self._physx_view()) is None:
            self._robot.set_coms_index(coms=coms.contiguous(), env_ids=env_ids)
            return
        poses = view.get_coms()
        value = poses[env_ids.to("cpu")].clone()
        value[..., :3] = coms.to(value.device)
        self._write_view(poses, env_ids, value, view.set_coms)

    def joint_parameter(self, name: str) -> Tensor:
        """One of `JOINT_PARAMETERS`, as simulated. Shape (N, J)."""
        return as_tensor(getattr(self._robot.data, JOINT_PARAMETERS[name][0]))

    def write_joint_parameter(self, name: str, env_ids: Tensor, value: Tensor) -> None:
        """One of `JOINT_PARAMETERS`. Shape (n, J)."""
        _, method, argument = JOINT_PARAMETERS[name]
        if self._version == "2.3":
            getattr(self._robot, method)(value, env_ids=env_ids)
        else:
            getattr(self._robot, f"{method}_index")(**{argument: value.contiguous(), "env_ids": env_ids})

    def friction(self) -> Tensor:
        """Sliding friction of every collision geometry, bodies in Isaac Lab's order. Shape (N, G)."""
        view = self._physx_view()
        return self._newton_friction() if view is None else view.get_material_properties()[..., 0]

    def write_friction(self, env_ids: Tensor, columns: Tensor, friction: Tensor) -> None:
        """Sliding friction of some geometries. Shape (n, number of columns)."""
        view = self._physx_view()
        if view is None:
            self._newton_friction()[env_ids.unsqueeze(1), columns] = friction
            from isaaclab_newton.physics import NewtonManager
            from newton.solvers import SolverNotifyFlags

            NewtonManager.add_model_change(SolverNotifyFlags.SHAPE_PROPERTIES)
            return
        materials, rows = view.get_material_properties(), env_ids.to("cpu")
        value = friction.to(materials.device).unsqueeze(2)  # static and dynamic
        materials[rows.unsqueeze(1), columns.to("cpu"), :2] = value.expand(-1, -1, 2)
        view.set_material_properties(materials, rows)

    def geom_names(self, geoms_of_body: dict[str, list[str]]) -> list[str]:
        """Collision geometries in the order of `friction`.

        Args:
            geoms_of_body: Names in the order in which the USD file has them.
        """
        if self._newton:
            return list(self._robot.root_view.shape_names)
        return [geom for body in self._robot.body_names for geom in geoms_of_body.get(body, [])]

    @staticmethod
    def _write_view(held: Tensor, env_ids: Tensor, value: Tensor, setter: Any) -> None:
        rows = env_ids.to("cpu")
        held[rows] = value.to(held.device)
        setter(held, rows)

    def _newton_friction(self) -> Tensor:
        import warp
        from isaaclab_newton.physics import NewtonManager

        view = self._robot.root_view.get_attribute("shape_material_mu", NewtonManager.get_model())
        return warp.to_torch(view)[:, 0]

    def _physx_view(self) -> Any:
        if self._newton:
            return None
        return self._robot.root_physx_view if self._version == "2.3" else self._robot.root_view
