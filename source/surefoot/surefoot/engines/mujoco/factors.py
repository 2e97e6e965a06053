"""Randomisation factors in MuJoCo's model: written from the nominal value each time, and read back.

Axis letters: n environments written to.
"""

from itertools import product
from typing import TYPE_CHECKING

import torch
from mjlab.managers.event_manager import RecomputeLevel
from torch import Tensor

from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.engines.mujoco.model_bridge import RECOMPUTED
from surefoot.engines.mujoco.nominal_model import BASE, GAINS, PLACE, ModelWrite, NominalModel
from surefoot.errors import EngineError
from surefoot.manifest.manifest import Manifest

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv

MODEL_FACTORS = frozenset({"friction", *BASE, "link_mass", *GAINS, "joint_friction", "armature"})
"""Factors that are numbers of the model; delays, noise and pushes happen outside it."""
SUPPORTED = MODEL_FACTORS | {
    "control_delay", "observation_delay", "noise_level", "push_strength", "sensor_bias",
}  # fmt: skip
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


class ModelFactors:
    """Writes the factors of the manifest into the fields that they need, and no others.

    Args:
        env: Its simulation, manifest and buckets must be there.
    """

    def __init__(self, env: "MujocoEnv") -> None:
        self._sim, self._buckets = env.sim, env.buckets
        self.names = tuple(name for name in env.buckets.values if name in MODEL_FACTORS)
        self._nominal = NominalModel(env.sim.mj_model, env.manifest, env.device)
        for name in self.names:  # conditions may leave a value to the robot
            env.buckets.values[name].nan_to_num_(nan=self.neutral(name))
        self.recomputes = not BASE.isdisjoint(self.names) or bool({"link_mass", "armature"} & set(self.names))
        self._device = env.device
        self._calls = 0
        self._check_base(env.manifest, env.conditions is not None)
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

    def write_gains(self, stiffness: Tensor, damping: Tensor) -> None:
        """Gains of all motors in place of the robot's and of the factors on them. Shape (num_envs, num_joints) each."""
        fields = ("actuator_gainprm", "actuator_biasprm")
        if not set(fields) <= set(self._sim.expanded_fields):
            self._sim.expand_model_fields(fields)
        motors = self._nominal.motor_ids
        gain, bias = (getattr(self._sim.model, name)[:, motors].clone() for name in fields)
        gain[..., 0], bias[..., 1], bias[..., 2] = stiffness, -stiffness, -damping
        if self._nominal.brake_ids is not None:  # see `dc_motor`
            gain[..., 0] = -stiffness
            bias[..., 2] -= self._sim.model.actuator_biasprm[:, self._nominal.brake_ids, 2]
        for name, value in zip(fields, (gain, bias), strict=True):
            getattr(self._sim.model, name)[:, motors] = value

    def writes(self, values: dict[str, Tensor]) -> list[ModelWrite]:
        """What the model must hold for given values, from the nominal model."""
        return self._nominal.writes(values)

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

    def _check_base(self, manifest: Manifest, imposed: bool) -> None:
        """Refuse a base without mass or with an impossible inertia: at all corners of the ranges, or as imposed."""
        factors = manifest.randomization.factors
        names = [name for name in self.names if name in ("payload_mass", *PLACE)]
        if not names:
            return
        if imposed:
            columns = torch.stack([self._buckets.values[name].double() for name in names])
            corners: list[tuple[float, ...]] = [tuple(row) for row in columns.T.tolist()]
        else:
            corners = list(product(*((factors[name].edges[0], factors[name].edges[-1]) for name in names)))
            columns = torch.tensor(corners, dtype=torch.float64, device=self._device).T
        mass, moments = self._nominal.base(dict(zip(names, columns, strict=True)))
        moments = moments.sort(dim=1).values
        possible = (moments[:, 0] > 0) & (moments[:, 2] <= (moments[:, 0] + moments[:, 1]) * 1.001) & (mass > 0)
        for corner, good in zip(corners, possible.tolist(), strict=True):
            if not good:
                what = ", ".join(f"{name} {value:g}" for name, value in zip(names, corner, strict=True))
                raise EngineError(
                    f"randomization.factors.payload_mass.edges: {what} leaves {manifest.robot.base_body!r} without "
                    f"mass or with an inertia that no body has; its nominal mass is {self._nominal.base_mass:g} kg."
                )
