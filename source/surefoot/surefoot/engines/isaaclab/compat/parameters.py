"""Masses, joint parameters and friction of the simulated robots.

Axis letters: N environments, n environments written to, B bodies, J joints, G geometries.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat.data import as_tensor
from surefoot.engines.isaaclab.compat.joint_parameters import JOINT_PARAMETERS
from surefoot.engines.isaaclab.compat.physx_view import NUMBERED, PhysxView
from surefoot.errors import EngineError

MOTORS = "motors"
"""The one group of actuators."""
_OWN = ("stiffness", "damping", "effort_limit", "velocity_limit", "saturation_effort")
"""What the physics holds nothing of where motors are explicit; they hold it themselves."""


class RobotParameters:
    """What the physics holds of an articulation: through Newton's model or PhysX's view, which is on the CPU.

    Bodies, joints and geometries stand in Isaac Lab's order.
    """

    def __init__(self, robot: Any, version: str, backend: str) -> None:
        self._robot, self._version, self._newton = robot, version, backend == "newton_mjwarp"
        self._keeps_copies = backend in ("newton_mjwarp", "ovphysx")
        """Whether Isaac Lab has to be told of new masses, because it computes with copies of its own."""
        motors = robot.actuators.get(MOTORS)
        self._motors: Any = motors if hasattr(motors, "saturation_effort") else None
        self._shapes: Tensor | None = None
        """Column of PhysX's shapes for each named geometry. Shape (N, G)."""
        self._named: list[str] = []

    @property
    def has_dc_motors(self) -> bool:
        """Whether torques come from a model of the motors, and not from the physics' own drives."""
        return self._motors is not None

    def masses(self) -> Tensor:
        """kg, as simulated. Shape (N, B)."""
        return as_tensor(self._robot.data.body_mass) if self._newton else self._physx().get("masses")

    def inertias(self) -> Tensor:
        """kg m^2 about the centre of mass, in the link's axes, as simulated. Shape (N, B, 9)."""
        return as_tensor(self._robot.data.body_inertia) if self._newton else self._physx().get("inertias")

    def coms(self) -> Tensor:
        """m, centres of mass in the link frames, as simulated. Shape (N, B, 3)."""
        return as_tensor(self._robot.data.body_com_pos_b) if self._newton else self._physx().get("coms")[..., :3]

    def write_masses(self, env_ids: Tensor, masses: Tensor) -> None:
        """kg. Shape (n, B)."""
        if self._keeps_copies:
            self._robot.set_masses_index(masses=masses.contiguous(), env_ids=env_ids)
        else:
            self._physx().set("masses", env_ids, masses)

    def write_inertias(self, env_ids: Tensor, inertias: Tensor) -> None:
        """kg m^2. Shape (n, B, 9)."""
        if self._keeps_copies:
            self._robot.set_inertias_index(inertias=inertias.contiguous(), env_ids=env_ids)
        else:
            self._physx().set("inertias", env_ids, inertias)

    def write_coms(self, env_ids: Tensor, coms: Tensor) -> None:
        """m; the axes of the inertia stay. Shape (n, B, 3).

        On PhysX they are the other half of the same pose, so they are those that the last inertia left there; and Isaac
        Lab, which turns velocities of links into those of centres of mass, has to look where these are now.
        """
        if self._newton:
            self._robot.set_coms_index(coms=coms.contiguous(), env_ids=env_ids)
            return
        view = self._physx()
        pose = view.get("coms")[env_ids.to("cpu")]
        pose[..., :3] = coms.to(pose.device)
        if self._keeps_copies:
            self._robot.set_coms_index(coms=pose.to(env_ids.device).contiguous(), env_ids=env_ids)
            return
        view.set("coms", env_ids, pose)
        self._robot.data._body_com_pose_b.timestamp = -1.0

    def joint_parameter(self, name: str) -> Tensor:
        """One of `JOINT_PARAMETERS`, as simulated, or of a DC motor's limits. Shape (N, J)."""
        if self._motors is not None and name in _OWN:
            return self._own(name)
        if not self._newton:
            return self._physx().joint_property(name)
        return as_tensor(getattr(self._robot.data, JOINT_PARAMETERS[name].data))

    def write_joint_parameter(self, name: str, env_ids: Tensor, value: Tensor) -> None:
        """One of `JOINT_PARAMETERS`, or of a DC motor's limits. Shape (n, J)."""
        if self._motors is not None and name in _OWN:
            self._own(name)[env_ids] = value
            return
        parameter = JOINT_PARAMETERS[name]
        values = {parameter.argument: value.contiguous()}
        if parameter.twin and not self._newton:
            values[parameter.twin] = values[parameter.argument]
        suffix = "" if self._version == "2.3" else "_index"
        getattr(self._robot, parameter.writer + suffix)(**values, env_ids=env_ids)

    def _own(self, name: str) -> Tensor:
        """What a DC motor holds itself, under the name that it has in this version."""
        renamed = f"actuator_{name}"
        return getattr(self._motors, renamed if hasattr(self._motors, renamed) else name)

    def friction(self) -> Tensor:
        """Sliding friction of every collision geometry, in the order of `geom_names`. Shape (N, G)."""
        if self._newton:
            return self._newton_friction()
        friction = self._physx().get("material_properties")[..., 0]
        return friction if self._shapes is None else friction.gather(1, self._shapes)

    def write_friction(self, env_ids: Tensor, columns: Tensor, friction: Tensor) -> None:
        """Sliding friction of some geometries, which then do not bounce. Shape (n, number of columns)."""
        if self._newton:
            self._newton_friction()[env_ids.unsqueeze(1), columns] = friction
            from isaaclab_newton.physics import NewtonManager
            from newton import ModelFlags

            NewtonManager.add_model_change(ModelFlags.SHAPE_PROPERTIES)
            return
        view, rows, columns = self._physx(), env_ids.to("cpu"), columns.to("cpu")
        materials = view.get("material_properties")[rows]
        shapes = columns.expand(len(rows), -1) if self._shapes is None else self._shapes[rows][:, columns]
        value = friction.to(materials.device).expand(shapes.shape)
        for kind, written in enumerate((value, value, torch.zeros_like(value))):  # static, dynamic, restitution
            materials[..., kind].scatter_(1, shapes, written)
        view.set("material_properties", env_ids, materials)

    @property
    def geom_names(self) -> list[str]:
        """Collision geometries in the order of `friction`; empty where they were not told apart."""
        return list(self._robot.root_view.shape_names) if self._newton else self._named

    def tell_geometries_apart(self, names: Sequence[str]) -> None:
        """Find out which of PhysX's shapes is which geometry; it orders those of a body anew in every environment.

        Args:
            names: As the USD file numbers them, by a restitution that is taken away here.

        Raises:
            EngineError: The shapes do not carry these numbers.
        """
        if self._newton:
            return
        view = self._physx()
        materials = view.get("material_properties")
        numbers = (materials[..., 2] / NUMBERED).round().long()
        if not torch.equal(numbers.sort(dim=1).values, torch.arange(1, len(names) + 1).expand(len(numbers), -1)):
            raise EngineError(
                f"Expected the {len(names)} collision geometries of the robot's USD file, numbered by their "
                f"restitution, but PhysX holds shapes with the numbers {numbers[0].tolist()}."
            )
        self._shapes, self._named = numbers.argsort(dim=1), list(names)
        materials[..., 2] = 0.0
        view.set("material_properties", torch.arange(len(numbers)), materials)

    def _newton_friction(self) -> Tensor:
        import warp
        from isaaclab_newton.physics import NewtonManager

        view = self._robot.root_view.get_attribute("shape_material_mu", NewtonManager.get_model())
        return warp.to_torch(view)[:, 0]

    def _physx(self) -> PhysxView:
        return PhysxView(self._robot.root_physx_view if self._version == "2.3" else self._robot.root_view)
