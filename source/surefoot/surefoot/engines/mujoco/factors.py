"""Randomisation factors in MuJoCo's model: written from the nominal value each time, and read back.

Axis letters: n environments written to, k bodies, joints or geometries.
"""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import mujoco
import torch
from mjlab.managers.event_manager import RecomputeLevel
from torch import Tensor

from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.engines.mujoco.inertia import with_payload
from surefoot.engines.mujoco.model_bridge import RECOMPUTED
from surefoot.errors import EngineError
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.manifest import Manifest

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv

_PLACE = ("payload_x", "payload_y", "payload_z")
_SHIFT = ("com_shift_x", "com_shift_y", "com_shift_z")
_BASE = {"payload_mass", *_PLACE, *_SHIFT}
_GAINS = {"motor_strength", "stiffness", "damping"}
MODEL_FACTORS = frozenset({"friction", *_BASE, "link_mass", *_GAINS, "joint_friction", "armature"})
"""Factors that are numbers of the model; delays, noise and pushes happen outside it."""
SUPPORTED = MODEL_FACTORS | {"control_delay", "observation_delay", "noise_level", "push_strength"}
_CHECK_EVERY = 256
"""Resets between checks on a GPU, where reading back waits for the device."""


@dataclass(frozen=True)
class ModelWrite:
    """What some environments get in one model field."""

    field: str
    ids: Tensor
    """Rows of the field: bodies, actuators, degrees of freedom or geometries. Shape (k,)."""
    value: Tensor
    """Shape (n, k, ...)."""


class ModelFactors:
    """Writes the factors of the manifest into the fields that they need, and no others.

    Args:
        env: Its simulation, manifest and buckets must be there.
    """

    def __init__(self, env: "MujocoEnv") -> None:
        self._sim, self._buckets = env.sim, env.buckets
        self.names = tuple(name for name in env.buckets.values if name in MODEL_FACTORS)
        self._nominal = _Nominal(env.sim.mj_model, env.manifest, env.device)
        self.recomputes = not _BASE.isdisjoint(self.names) or bool({"link_mass", "armature"} & set(self.names))
        self._device = env.device
        self._calls = 0
        self._check_base(env.manifest)
        fields = {
            write.field for write in self.writes(self.values(torch.zeros(1, dtype=torch.long, device=env.device)))
        }
        self._sim.expand_model_fields((*sorted(fields), *(sorted(RECOMPUTED) if self.recomputes else ())))

    def values(self, env_ids: Tensor) -> dict[str, Tensor]:
        """Values in force of the model's factors. Shape (n,) each."""
        return {name: self._buckets.values[name][env_ids] for name in self.names}

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

    def writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
        """What the model must hold for given values, from the nominal model."""
        return self._nominal.writes(values)

    def neutral(self, name: str) -> float:
        """Value of a factor that leaves the nominal model as it is."""
        return self._nominal.neutral(name)

    def _check_read_back(self, write: ModelWrite, got: Tensor) -> None:
        if not torch.equal(got, write.value):
            worst = (got - write.value).abs().max().item()
            suspects = ", ".join(f"randomization.factors.{name}" for name in self.names)
            raise EngineError(
                f"model.{write.field} holds values that differ by up to {worst:.3g} from those written: a factor does "
                f"not reach the physics. Factors in use: {suspects}."
            )

    def _check_base(self, manifest: Manifest) -> None:
        """Refuse ranges that leave a base without mass or with an impossible inertia, whatever is drawn."""
        factors = manifest.randomization.factors
        names = [name for name in self.names if name in ("payload_mass", *_PLACE)]
        if not names:
            return
        corners = list(product(*((factors[name].edges[0], factors[name].edges[-1]) for name in names)))
        columns = torch.tensor(corners, dtype=torch.float64, device=self._device).T
        mass, moments = self._nominal.base(dict(zip(names, columns, strict=True)))
        moments = moments.sort(dim=1).values
        possible = (moments[:, 0] > 0) & (moments[:, 2] <= (moments[:, 0] + moments[:, 1]) * 1.001) & (mass > 0)
        for corner, good in zip(corners, possible.tolist(), strict=True):
            if not good:
                what = ", ".join(f"{name} {value:g}" for name, value in zip(names, corner, strict=True))
                raise EngineError(
                    f"randomization.factors.payload_mass.edges: {what} leaves {manifest.robot.base_body!r} without mass "
                    f"or with an inertia that no body has; its nominal mass is {self._nominal.base_mass:g} kg."
                )


class _Nominal:
    """The model as the robot definition says; turns factor values into field values."""

    def __init__(self, model: mujoco.MjModel, manifest: Manifest, device: str) -> None:
        robot = manifest.robot

        def ids(kind: str, names: list[str]) -> Tensor:
            return torch.tensor([getattr(model, kind)(f"robot/{name}").id for name in names], device=device)

        def field(name: str) -> Tensor:
            return torch.as_tensor(getattr(model, name), dtype=torch.float64, device=device)

        self._feet = ids("geom", [foot.geom for foot in robot.feet])
        self._joints = ids("joint", list(robot.joint_names))
        self._dofs = torch.as_tensor(model.jnt_dofadr, dtype=torch.long, device=device)[self._joints]
        driven = {int(joint) for joint in self._joints.tolist()}
        motors = [index for index in range(model.nu) if int(model.actuator_trnid[index, 0]) in driven]
        self._motors = torch.tensor(motors, device=device)
        self._base = ids("body", [robot.base_body])
        names = [model.body(index).name for index in range(model.nbody)]
        links = [index for index, name in enumerate(names) if name.startswith("robot/") and index != int(self._base[0])]
        self._links = torch.tensor(links, device=device)
        self._mass, self._inertia = field("body_mass"), field("body_inertia")
        self._com, self._quat = field("body_ipos")[self._base[0]], field("body_iquat")[self._base[0]]
        self._gain, self._bias = field("actuator_gainprm")[self._motors], field("actuator_biasprm")[self._motors]
        self._force = field("actuator_forcerange")[self._motors]
        self._grip = field("geom_friction")[self._feet]  # sliding, torsional, rolling
        self._armature = field("dof_armature")[self._dofs]
        self._stated = {"friction": float(model.geom_friction[int(self._feet[0]), 0])}
        self._stated |= {name: float(value) for name, value in zip(_PLACE, self._com.tolist(), strict=True)}
        self._stated["joint_friction"] = float(model.dof_frictionloss[int(self._dofs[0])])
        self.base_mass = float(model.body_mass[int(self._base[0])])

    def writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
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
        if any(name in values for name in _PLACE):
            columns = [values.get(name, self._com[axis].expand_as(added)) for axis, name in enumerate(_PLACE)]
            place = torch.stack(columns, dim=1)
        inertia = self._inertia[self._base[0]]
        return with_payload(float(self.base_mass), self._com, inertia, self._quat, added, place)

    def _body_writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
        found: list[ModelWrite] = []
        if not _BASE.isdisjoint(values):
            mass, moments, com, quat = self._loaded(values)
            placed, shifted = any(name in values for name in _PLACE), any(name in values for name in _SHIFT)
            if "payload_mass" in values:
                found.append(ModelWrite("body_mass", self._base, mass.unsqueeze(1)))
                found.append(ModelWrite("body_inertia", self._base, moments.unsqueeze(1)))
            if placed:
                found.append(ModelWrite("body_iquat", self._base, quat.unsqueeze(1)))
            if placed or shifted:
                zero = torch.zeros_like(mass)
                com = com + torch.stack([values.get(name, zero) for name in _SHIFT], dim=1)
                found.append(ModelWrite("body_ipos", self._base, com.unsqueeze(1)))
        if "link_mass" in values:
            scale = values["link_mass"].unsqueeze(1)
            found.append(ModelWrite("body_mass", self._links, self._mass[self._links] * scale))
            found.append(ModelWrite("body_inertia", self._links, self._inertia[self._links] * scale.unsqueeze(2)))
        return found

    def _motor_writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
        """MuJoCo's position actuators: force = gain[0] * target + bias[1] * position + bias[2] * velocity."""
        if _GAINS.isdisjoint(values):
            return []
        one = torch.ones_like(next(iter(values.values())))
        strength = values.get("motor_strength", one)
        stiffness, damping = strength * values.get("stiffness", one), strength * values.get("damping", one)
        gain = self._gain.expand(len(one), -1, -1).clone()
        bias = self._bias.expand(len(one), -1, -1).clone()
        gain[..., 0] *= stiffness.unsqueeze(1)
        bias[..., 1] *= stiffness.unsqueeze(1)
        bias[..., 2] *= damping.unsqueeze(1)
        found = [ModelWrite("actuator_gainprm", self._motors, gain), ModelWrite("actuator_biasprm", self._motors, bias)]
        if "motor_strength" in values:
            force = self._force * strength[:, None, None]
            found.append(ModelWrite("actuator_forcerange", self._motors, force))
        return found
