"""Randomisation factors in MuJoCo's model: written from the nominal value each time, and read back.

Axis letters: n environments written to, k bodies, actuators, joints, degrees of freedom or geometries.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from mjlab.managers.event_manager import RecomputeLevel
from mjlab.utils.lab_api.math import matrix_from_quat, quat_from_matrix
from torch import Tensor

from surefoot.engines.factors import PLACE, SHIFT, Base, PhysicsFactors
from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.engines.mujoco.dc_motor import BACK_EMF, back_emf
from surefoot.engines.mujoco.model_bridge import RECOMPUTED
from surefoot.errors import EngineError
from surefoot.manifest.factors import FACTORS, writable

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv

# Field, what its rows are, and the column where a row has several; see `_rows_of`.
_HELD: dict[str, tuple[str, str, int | None]] = {
    "friction": ("geom_friction", "feet", 0),  # sliding, torsional, rolling
    "mass": ("body_mass", "base", None),
    "inertia": ("body_inertia", "base", None),
    "com": ("body_ipos", "base", None),
    "link_mass": ("body_mass", "links", None),
    "link_inertia": ("body_inertia", "links", None),
    "stiffness": ("actuator_gainprm", "motors", 0),
    "damping": ("actuator_biasprm", "motors", 2),
    "effort_limit": ("actuator_forcerange", "motors", None),
    "joint_friction": ("dof_frictionloss", "dofs", None),
    "armature": ("dof_armature", "dofs", None),
}
_HELD_BY_DC_MOTORS = {
    "effort_limit": ("jnt_actfrcrange", "joints", None),
    "saturation_effort": ("actuator_forcerange", "motors", None),
}
"""What differs of a robot whose motors have a torque-speed curve."""
_GAINS = frozenset({"stiffness", "damping", "saturation_effort"})
"""Quantities that MuJoCo's actuators have in more than one number."""
_MASSES = frozenset({"mass", "inertia", "com", "link_mass", "link_inertia", "armature"})
"""Quantities that constants of the model follow from."""
_OF_FIELD = {"body": "body", "geom": "geom", "actuator": "actuator", "jnt": "joint"}
_FACTOR_OF = {
    "geom_friction": "friction",
    "body_mass": "payload_mass, link_mass",
    "body_inertia": "payload_mass, link_mass",
    "body_ipos": "com_shift, payload",
    "actuator_gainprm": "motor_strength, stiffness",
    "actuator_biasprm": "motor_strength, stiffness, damping",
    "dof_armature": "armature",
    "dof_frictionloss": "joint_friction",
}
"""Factors that a field is written by, for messages."""
_CHECK_EVERY = 256
"""Resets between checks on a GPU, where reading back waits for the device."""

SUPPORTED = writable({*_HELD, *_HELD_BY_DC_MOTORS})


@dataclass(frozen=True)
class ModelWrite:
    """What some environments get in one model field."""

    field: str
    ids: Tensor
    """Rows of the field: bodies, actuators, joints, degrees of freedom or geometries. Shape (k,)."""
    value: Tensor
    """Shape (n, k, ...)."""


class ModelFactors(PhysicsFactors):
    """Writes the factors of the manifest into the fields that they need, and no others.

    Args:
        env: Its simulation, manifest and buckets must be there.
    """

    def __init__(self, env: "MujocoEnv") -> None:
        model, robot = env.sim.mj_model, env.manifest.robot
        self._sim, self._device, self._calls = env.sim, env.device, 0
        dc = robot.motors == "dc_motor"
        self._ids = _rows_of(env)
        self._held_in = _HELD | (_HELD_BY_DC_MOTORS if dc else {})
        """Field, name of its rows and column of each quantity."""
        self._rows = {name: self._field(field)[self._ids[ids]] for name, (field, ids, _) in self._held_in.items()}
        base, motors = self._ids["base"], self._ids["motors"]
        self._moments, self._quat = self._rows["inertia"][0], self._field("body_iquat")[base[0]]
        self._axes = matrix_from_quat(self._quat)
        self._gain, self._bias = self._field("actuator_gainprm")[motors], self._field("actuator_biasprm")[motors]
        order = [int(model.actuator_trnid[index, 0]) for index in motors.tolist()]
        self.motor_ids = motors[[order.index(joint) for joint in self._ids["joints"].tolist()]]
        """Actuators in the manifest's order of joints. Shape (num_joints,)."""
        self._emf = torch.zeros(len(motors), dtype=torch.float64, device=env.device)
        self.brake_ids: Tensor | None = None
        """Back-EMF of DC motors: actuators in the manifest's order of joints. Shape (num_joints,)."""
        if dc:
            brakes = [model.actuator(f"robot/{name}{BACK_EMF}").id for name in robot.joint_names]
            self.brake_ids = torch.tensor(brakes, device=env.device)
            emf = dict(zip(self.motor_ids.tolist(), map(back_emf, robot.joints), strict=True))
            emf |= {brake: -emf[loop] for loop, brake in zip(list(emf), brakes, strict=True)}
            self._emf = torch.tensor([emf[index] for index in motors.tolist()], dtype=torch.float64, device=env.device)
        com, inertia = self._rows["com"][0], self._axes @ torch.diag(self._moments) @ self._axes.T
        super().__init__(
            env.manifest,
            env.buckets,
            imposed=env.conditions is not None,
            nominal={
                quantity: self._rows[quantity] if column is None else self._rows[quantity][..., column]
                for quantity, (_, _, column) in self._held_in.items()
            },
            base=Base(float(model.body_mass[int(base[0])]), com, inertia),
        )
        writes = self.writes(self.values(torch.zeros(1, dtype=torch.long, device=env.device)))
        fields = sorted({write.field for write in writes})
        self.recomputes = any(not _MASSES.isdisjoint(FACTORS[name].quantities) for name in self.names)
        self._sim.expand_model_fields((*fields, *(sorted(RECOMPUTED) if self.recomputes else ())))

    def apply(self, env_ids: Tensor) -> None:
        """Write the values in force of some environments; what follows from masses is recomputed for them alone.

        Raises:
            EngineError: The simulator holds other values than those written.
        """
        writes = self.writes(self.values(env_ids))
        rows = env_ids.unsqueeze(1)
        for write in writes:
            getattr(self._sim.model, write.field)[rows, write.ids] = write.value
        if self.recomputes:
            if isinstance(self._sim, BatchSimulation):
                self._sim.recompute_some(env_ids)
            else:
                self._sim.recompute_constants(RecomputeLevel.set_const)
        if self._device == "cpu" or self._calls % _CHECK_EVERY == 0:
            for write in writes:
                self._check_read_back(write, getattr(self._sim.model, write.field)[rows, write.ids])
        self._calls += 1

    def held(self, quantity: str) -> Tensor:
        """A quantity as the simulator holds it, of all environments. Shape (num_envs or 1, k, ...)."""
        field, ids, column = self._held_in[quantity]
        rows = getattr(self._sim.model, field)[:, self._ids[ids]]
        return rows if column is None else rows[..., column]

    def write_gains(self, stiffness: Tensor, damping: Tensor) -> None:
        """Gains of all motors in place of the robot's and of the factors on them. Shape (num_envs, num_joints) each."""
        fields = ("actuator_gainprm", "actuator_biasprm")
        if not set(fields) <= set(self._sim.expanded_fields):
            self._sim.expand_model_fields(fields)
        motors = self.motor_ids
        gain, bias = (getattr(self._sim.model, name)[:, motors].clone() for name in fields)
        gain[..., 0], bias[..., 1], bias[..., 2] = stiffness, -stiffness, -damping
        if self.brake_ids is not None:  # see `dc_motor`
            gain[..., 0] = -stiffness
            bias[..., 2] -= self._sim.model.actuator_biasprm[:, self.brake_ids, 2]
        for name, value in zip(fields, (gain, bias), strict=True):
            getattr(self._sim.model, name)[:, motors] = value

    def writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
        """What the model must hold for given values, by factor, from the nominal model. Shape (n,) each."""
        values = {name: value.double() for name, value in values.items()}
        found = [*self._base_writes(values), *self._motor_writes(self.scaling(values))]
        for quantity, value in self.rows(values).items():
            if quantity in ("stiffness", "damping"):  # see `_motor_writes`
                continue
            field, ids, column = self._held_in[quantity]
            if column is not None:
                rows = self._rows[quantity].repeat(len(value), 1, 1)
                rows[..., column] = value
                value = rows
            found.append(ModelWrite(field, self._ids[ids], value))
        return [ModelWrite(write.field, write.ids, write.value.float()) for write in found]

    def _base_writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
        if not {"payload_mass", *PLACE, *SHIFT} & set(values):
            return []
        loaded, moments, quat = self.base.loaded(values), self._moments, self._quat
        moments = moments * (loaded.mass / self.base.mass).unsqueeze(1)
        found: list[tuple[str, Tensor]] = []
        if loaded.apart is not None:
            moments, rotation = torch.linalg.eigh(self._axes @ torch.diag_embed(moments) @ self._axes.T + loaded.apart)
            handed = torch.linalg.det(rotation).sign()
            quat = quat_from_matrix(torch.cat((rotation[:, :, :2], rotation[:, :, 2:] * handed[:, None, None]), dim=2))
            found.append(("body_iquat", quat))
        if "payload_mass" in values:
            found += [("body_mass", loaded.mass), ("body_inertia", moments)]
        if not {*PLACE, *SHIFT}.isdisjoint(values):
            found.append(("body_ipos", loaded.com))
        return [ModelWrite(field, self._ids["base"], value.unsqueeze(1)) for field, value in found]

    def _motor_writes(self, scaling: dict[str, Tensor]) -> list[ModelWrite]:
        """MuJoCo's position actuators: force = gain[0] * target + bias[1] * position + bias[2] * velocity.

        The back-EMF of a DC motor follows its stall torque, not its damping: less of bias[2] here, as much more there.
        """
        if _GAINS.isdisjoint(scaling):
            return []
        one = torch.ones_like(next(iter(scaling.values())))
        stiffness, damping, stall = (scaling.get(name, one) for name in ("stiffness", "damping", "saturation_effort"))
        gain = self._gain.expand(len(one), -1, -1).clone()
        bias = self._bias.expand(len(one), -1, -1).clone()
        gain[..., 0] *= stiffness.unsqueeze(1)
        bias[..., 1] *= stiffness.unsqueeze(1)
        bias[..., 2] = (bias[..., 2] - self._emf) * damping.unsqueeze(1) + self._emf * stall.unsqueeze(1)
        motors = self._ids["motors"]
        return [ModelWrite("actuator_gainprm", motors, gain), ModelWrite("actuator_biasprm", motors, bias)]

    def _field(self, name: str) -> Tensor:
        """A field of the nominal model."""
        return torch.as_tensor(getattr(self._sim.mj_model, name), dtype=torch.float64, device=self._device)

    def deviations(self) -> tuple[tuple[str, ...], Tensor]:
        """How far the model is from the robot definition with the recorded factors, wherever environments can differ.

        Returns:
            Names of fields and of what they belong to, and for each the largest difference as a share of its size.
        """
        everyone = torch.arange(self._sim.num_envs, device=self._device)
        writes, names, off = self.writes(self.values(everyone)), list[str](), list[Tensor]()
        for field in self._sim.expanded_fields:
            if field in RECOMPUTED:
                continue
            got = getattr(self._sim.model, field)[:]
            nominal = torch.as_tensor(getattr(self._sim.mj_model, field), dtype=got.dtype, device=self._device)
            expected = nominal.expand_as(got).clone()
            for write in writes:
                if write.field == field:
                    expected[:, write.ids] = write.value.to(got.dtype)
            size = expected.abs().flatten(2).amax(dim=(0, 2)) if got.dim() > 2 else expected.abs().amax(dim=0)
            apart = (got - expected).abs()
            apart = apart.flatten(2).amax(dim=(0, 2)) if got.dim() > 2 else apart.amax(dim=0)
            off.append(apart / size.clamp(min=1e-6))
            names += [f"{field} of {part}" for part in self._parts(field, len(size))]
        return tuple(names), torch.cat(off) if off else torch.zeros(0, device=self._device)

    def _parts(self, field: str, count: int) -> list[str]:
        """Names of a field's bodies, geometries, joints or motors."""
        kind = next((kind for key, kind in _OF_FIELD.items() if field.startswith(key)), "")
        label = f" ({_FACTOR_OF[field]})" if field in _FACTOR_OF else ""
        if not kind:
            return [f"{index}{label}" for index in range(count)]
        model = self._sim.mj_model
        own = [getattr(model, kind)(index).name.removeprefix("robot/") or str(index) for index in range(count)]
        return [f"{name}{label}" for name in own]

    def _check_read_back(self, write: ModelWrite, got: Tensor) -> None:
        if not torch.equal(got, write.value):
            worst = (got - write.value).abs().max().item()
            suspects = ", ".join(f"randomization.factors.{name}" for name in self.names)
            raise EngineError(
                f"model.{write.field} holds values that differ by up to {worst:.3g} from those written: a factor does "
                f"not reach the physics. Factors in use: {suspects}."
            )


def _rows_of(env: "MujocoEnv") -> dict[str, Tensor]:
    """Rows of MuJoCo's fields that are the robot's, joints and degrees of freedom in the manifest's order."""
    model, robot = env.sim.mj_model, env.manifest.robot
    feet = robot.foot_geoms(env.manifest.simulation.contact_model)
    joints = [model.joint(f"robot/{name}").id for name in robot.joint_names]
    base = model.body(f"robot/{robot.base_body}").id
    bodies = [index for index in range(model.nbody) if model.body(index).name.startswith("robot/")]
    rows = {
        "feet": [model.geom(f"robot/{geom}").id for geoms in feet for geom in geoms],
        "joints": joints,
        "dofs": [int(model.jnt_dofadr[joint]) for joint in joints],
        "motors": [index for index in range(model.nu) if int(model.actuator_trnid[index, 0]) in joints],
        "base": [base],
        "links": [index for index in bodies if index != base],
    }
    return {name: torch.tensor(ids, device=env.device) for name, ids in rows.items()}
