"""The model as the robot definition says, and what becomes of it with given factor values.

Axis letters: n environments, k bodies, actuators, joints, degrees of freedom or geometries.
"""

from dataclasses import dataclass

import mujoco
import torch
from torch import Tensor

from surefoot.engines.mujoco.dc_motor import BACK_EMF, back_emf
from surefoot.engines.mujoco.inertia import with_payload
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.manifest import Manifest

PLACE = ("payload_x", "payload_y", "payload_z")
SHIFT = ("com_shift_x", "com_shift_y", "com_shift_z")
BASE = frozenset({"payload_mass", *PLACE, *SHIFT})
GAINS = frozenset({"motor_strength", "stiffness", "damping"})


@dataclass(frozen=True)
class ModelWrite:
    """What some environments get in one model field."""

    field: str
    ids: Tensor
    """Rows of the field: bodies, actuators, joints, degrees of freedom or geometries. Shape (k,)."""
    value: Tensor
    """Shape (n, k, ...)."""


class NominalModel:
    """Turns factor values into field values; nothing here has a memory, so nothing can drift."""

    def __init__(self, model: mujoco.MjModel, manifest: Manifest, device: str) -> None:
        robot = manifest.robot

        def ids(kind: str, names: list[str]) -> Tensor:
            return torch.tensor([getattr(model, kind)(f"robot/{name}").id for name in names], device=device)

        def field(name: str) -> Tensor:
            return torch.as_tensor(getattr(model, name), dtype=torch.float64, device=device)

        feet = robot.foot_geoms(manifest.simulation.contact_model)
        self._feet = ids("geom", [geom for geoms in feet for geom in geoms])
        self._joints = ids("joint", list(robot.joint_names))
        self._dofs = torch.as_tensor(model.jnt_dofadr, dtype=torch.long, device=device)[self._joints]
        driven = {int(joint) for joint in self._joints.tolist()}
        motors = [index for index in range(model.nu) if int(model.actuator_trnid[index, 0]) in driven]
        self._motors = torch.tensor(motors, device=device)
        order = [int(model.actuator_trnid[index, 0]) for index in motors]
        self.motor_ids = torch.tensor([motors[order.index(joint)] for joint in self._joints.tolist()], device=device)
        """Actuators in the manifest's order of joints. Shape (num_joints,)."""
        self._base = ids("body", [robot.base_body])
        names = [model.body(index).name for index in range(model.nbody)]
        links = [index for index, name in enumerate(names) if name.startswith("robot/") and index != int(self._base[0])]
        self._links = torch.tensor(links, device=device)
        self._mass, self._inertia = field("body_mass"), field("body_inertia")
        self._com, self._quat = field("body_ipos")[self._base[0]], field("body_iquat")[self._base[0]]
        self._gain, self._bias = field("actuator_gainprm")[self._motors], field("actuator_biasprm")[self._motors]
        self._force = field("actuator_forcerange")[self._motors]
        self._emf = torch.zeros(len(motors), dtype=torch.float64, device=device)
        self._clamp: Tensor | None = None
        self.brake_ids: Tensor | None = None
        """Back-EMF of DC motors: actuators in the manifest's order of joints. Shape (num_joints,)."""
        if robot.motors == "dc_motor":
            self.brake_ids = ids("actuator", [f"{name}{BACK_EMF}" for name in robot.joint_names])
            emf = dict(zip(self.motor_ids.tolist(), map(back_emf, robot.joints), strict=True))
            emf |= {brake: -emf[loop] for loop, brake in zip(list(emf), self.brake_ids.tolist(), strict=True)}
            self._emf = torch.tensor([emf[index] for index in motors], dtype=torch.float64, device=device)
            self._clamp = field("jnt_actfrcrange")[self._joints]
        self._grip = field("geom_friction")[self._feet]  # sliding, torsional, rolling
        self._armature = field("dof_armature")[self._dofs]
        self._stated = {"friction": float(model.geom_friction[int(self._feet[0]), 0])}
        self._stated |= {name: float(value) for name, value in zip(PLACE, self._com.tolist(), strict=True)}
        self._stated["joint_friction"] = float(model.dof_frictionloss[int(self._dofs[0])])
        self.base_mass = float(model.body_mass[int(self._base[0])])

    def writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
        """What the model must hold for given values, by factor, each of shape (n,)."""
        values = {name: value.double() for name, value in values.items()}
        found = [*self._body_writes(values), *self._motor_writes(values)]
        if "friction" in values:  # all feet stand on one ground
            grip = self._grip.expand(len(values["friction"]), -1, -1).clone()
            grip[..., 0] = values["friction"].unsqueeze(1)
            found.append(ModelWrite("geom_friction", self._feet, grip))
        if "joint_friction" in values:
            loss = values["joint_friction"].unsqueeze(1).expand(-1, len(self._dofs))
            found.append(ModelWrite("dof_frictionloss", self._dofs, loss))
        if "armature" in values:
            found.append(ModelWrite("dof_armature", self._dofs, self._armature * values["armature"].unsqueeze(1)))
        return [ModelWrite(write.field, write.ids, write.value.float()) for write in found]

    def neutral(self, name: str) -> float:
        """Value of a factor that changes nothing."""
        stated = FACTORS[name].neutral
        return self._stated[name] if stated is None else stated

    def base(self, values: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mass, shape (n,), and principal moments, shape (n, 3), of base and payload."""
        mass, moments, _, _ = self._loaded(values)
        return mass, moments

    def _loaded(self, values: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        added = values.get("payload_mass")
        if added is None:
            added = torch.zeros_like(next(iter(values.values())))
        place = None
        if any(name in values for name in PLACE):
            columns = [values.get(name, self._com[axis].expand_as(added)) for axis, name in enumerate(PLACE)]
            place = torch.stack(columns, dim=1)
        inertia = self._inertia[self._base[0]]
        return with_payload(float(self.base_mass), self._com, inertia, self._quat, added, place)

    def _body_writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
        found: list[ModelWrite] = []
        if not BASE.isdisjoint(values):
            mass, moments, com, quat = self._loaded(values)
            placed, shifted = any(name in values for name in PLACE), any(name in values for name in SHIFT)
            if "payload_mass" in values:
                found.append(ModelWrite("body_mass", self._base, mass.unsqueeze(1)))
                found.append(ModelWrite("body_inertia", self._base, moments.unsqueeze(1)))
            if placed:
                found.append(ModelWrite("body_iquat", self._base, quat.unsqueeze(1)))
            if placed or shifted:
                zero = torch.zeros_like(mass)
                com = com + torch.stack([values.get(name, zero) for name in SHIFT], dim=1)
                found.append(ModelWrite("body_ipos", self._base, com.unsqueeze(1)))
        if "link_mass" in values:
            scale = values["link_mass"].unsqueeze(1)
            found.append(ModelWrite("body_mass", self._links, self._mass[self._links] * scale))
            found.append(ModelWrite("body_inertia", self._links, self._inertia[self._links] * scale.unsqueeze(2)))
        return found

    def _motor_writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
        """MuJoCo's position actuators: force = gain[0] * target + bias[1] * position + bias[2] * velocity.

        The back-EMF of a DC motor is its strength's, not its damping's: less of bias[2] here, as much more there.
        """
        if GAINS.isdisjoint(values):
            return []
        one = torch.ones_like(next(iter(values.values())))
        strength = values.get("motor_strength", one)
        stiffness, damping = strength * values.get("stiffness", one), strength * values.get("damping", one)
        gain = self._gain.expand(len(one), -1, -1).clone()
        bias = self._bias.expand(len(one), -1, -1).clone()
        gain[..., 0] *= stiffness.unsqueeze(1)
        bias[..., 1] *= stiffness.unsqueeze(1)
        bias[..., 2] = (bias[..., 2] - self._emf) * damping.unsqueeze(1) + self._emf * strength.unsqueeze(1)
        found = [ModelWrite("actuator_gainprm", self._motors, gain), ModelWrite("actuator_biasprm", self._motors, bias)]
        if "motor_strength" in values:
            force = self._force * strength[:, None, None]
            found.append(ModelWrite("actuator_forcerange", self._motors, force))
            if self._clamp is not None:
                clamp = self._clamp * strength[:, None, None]
                found.append(ModelWrite("jnt_actfrcrange", self._joints, clamp))
        return found
