"""Masses, inertias and friction of the simulated robots.

Axis letters: N environments, n environments written to, B bodies.
"""

from typing import Any

from torch import Tensor

from surefoot.engines.isaaclab.compat.data import as_tensor


class RobotParameters:
    """What the physics holds of an articulation: through Newton's model or PhysX's view, which is on the CPU."""

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

    def write_inertial(self, env_ids: Tensor, body: int, mass: Tensor, inertia: Tensor) -> None:
        """Mass (n,) and inertia (n, 9) of one body."""
        view = self._physx_view()
        if view is None:
            self._robot.set_masses_index(masses=mass.unsqueeze(1), body_ids=[body], env_ids=env_ids)
            self._robot.set_inertias_index(inertias=inertia.unsqueeze(1), body_ids=[body], env_ids=env_ids)
            return
        masses, inertias, rows = view.get_masses(), view.get_inertias(), env_ids.to("cpu")
        masses[rows, body], inertias[rows, body] = mass.to(masses.device), inertia.to(inertias.device)
        view.set_masses(masses, rows)
        view.set_inertias(inertias, rows)

    def friction(self) -> Tensor:
        """Sliding friction of every collision geometry, bodies in Isaac Lab's order. Shape (N, geometries)."""
        view = self._physx_view()
        return self._newton_friction() if view is None else view.get_material_properties()[..., 0]

    def write_friction(self, env_ids: Tensor, columns: Tensor, friction: Tensor) -> None:
        """Sliding friction (n,), the same for some geometries."""
        view = self._physx_view()
        if view is None:
            self._newton_friction()[env_ids.unsqueeze(1), columns] = friction.unsqueeze(1)
            from isaaclab_newton.physics import NewtonManager
            from newton.solvers import SolverNotifyFlags

            NewtonManager.add_model_change(SolverNotifyFlags.SHAPE_PROPERTIES)
            return
        materials, rows = view.get_material_properties(), env_ids.to("cpu")
        value = friction.to(materials.device).reshape(-1, 1, 1)  # static and dynamic
        materials[rows.unsqueeze(1), columns.to("cpu"), :2] = value.expand(-1, len(columns), 2)
        view.set_material_properties(materials, rows)

    def geom_names(self, geoms_of_body: dict[str, list[str]]) -> list[str]:
        """Collision geometries in the order of `friction`.

        Args:
            geoms_of_body: Names in the order in which the USD file has them.
        """
        if self._newton:
            return list(self._robot.root_view.shape_names)
        return [geom for body in self._robot.body_names for geom in geoms_of_body.get(body, [])]

    def _newton_friction(self) -> Tensor:
        import warp
        from isaaclab_newton.physics import NewtonManager

        view = self._robot.root_view.get_attribute("shape_material_mu", NewtonManager.get_model())
        return warp.to_torch(view)[:, 0]

    def _physx_view(self) -> Any:
        if self._newton:
            return None
        return self._robot.root_physx_view if self._version == "2.3" else self._robot.root_view
