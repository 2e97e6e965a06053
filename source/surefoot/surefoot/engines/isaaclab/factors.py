"""Randomisation factors in Isaac Lab's physics: written from the nominal value each time, and read back.

Axis letters: n environments written to.
"""

from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat.parameters import JOINT_PARAMETERS
from surefoot.engines.isaaclab.nominal import PLACE, TOUCHED_BY, NominalRobot
from surefoot.errors import EngineError
from surefoot.manifest.randomization import Factor

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv
    from surefoot.engines.isaaclab.robot_model import RobotModel

PHYSICS_FACTORS: frozenset[str] = frozenset().union(*TOUCHED_BY.values())
"""Factors that are numbers of the physics; delays, noise and pushes happen outside it."""
SUPPORTED = PHYSICS_FACTORS | {"control_delay", "observation_delay", "noise_level", "push_strength", "sensor_bias"}

_TOLERANCE = 1e-6
_CHECK_EVERY = 256
"""Writes between checks on a GPU, where reading back waits for the device."""


class PhysicsFactors:
    """Writes the factors of the manifest that are numbers of the physics.

    Args:
        env: Its handle, manifest and buckets must be there.
        model: The robot, for names of bodies and geometries.
    """

    def __init__(self, env: "IsaacLabEnv", model: "RobotModel") -> None:
        self._handle, self._buckets, self._on_cpu = env.handle, env.buckets, env.device == "cpu"
        self.names = tuple(name for name in env.buckets.values if name in PHYSICS_FACTORS)
        robot = env.manifest.robot
        self._calls = 0
        base = int(self._handle.body_ids([robot.base_body])[0])
        feet = [geom for geoms in robot.foot_geoms(env.manifest.simulation.contact_model) for geom in geoms]
        self.feet = self._foot_columns(feet, model).to(env.device)
        quantities = TOUCHED_BY if env.handle.has_dc_motors else TOUCHED_BY.keys() - {"saturation_effort"}
        held = {name: self._held(name)[0].to(env.device) for name in quantities}
        self.nominal = NominalRobot(held, base)
        self._base = base
        for name in self.names:  # conditions may leave a value to the robot
            self._buckets.values[name].nan_to_num_(nan=self.nominal.neutral(name))
        self._check_base(robot.base_body, env.manifest.randomization.factors, imposed=env.conditions is not None)

    def values(self, env_ids: Tensor) -> dict[str, Tensor]:
        """Values in force of the physics' factors. Shape (n,) each."""
        return {name: self._buckets.values[name][env_ids] for name in self.names}

    def apply(self, env_ids: Tensor) -> None:
        """Write the values in force of some environments.

        Raises:
            EngineError: The simulator holds other values than those written.
        """
        self.write(env_ids, self.values(env_ids))

    def write(self, env_ids: Tensor, values: dict[str, Tensor]) -> None:
        """Write other values than those in force; `apply` puts these back.

        Args:
            env_ids: Shape (n,).
            values: Of every factor in `names`. Shape (n,) each.

        Raises:
            EngineError: The simulator holds other values than those written.
        """
        check = self._on_cpu or self._calls % _CHECK_EVERY == 0
        self._calls += 1
        for name, value in self.nominal.quantities(values).items():
            self._write(name, env_ids, value)
            if check:
                held = self._held(name)
                self._check(name, held[env_ids.to(held.device)], value.to(held.device))

    def _held(self, name: str) -> Tensor:
        """A quantity as the simulator holds it, of all environments."""
        if name in JOINT_PARAMETERS or name == "saturation_effort":
            return self._handle.joint_parameter(name)
        if name == "friction":
            friction = self._handle.friction()
            return friction[:, self.feet.to(friction.device)]
        return {"mass": self._handle.masses, "inertia": self._handle.inertias, "com": self._handle.coms}[name]()

    def _write(self, name: str, env_ids: Tensor, value: Tensor) -> None:
        handle = self._handle
        if name in JOINT_PARAMETERS or name == "saturation_effort":
            handle.write_joint_parameter(name, env_ids, value)
        elif name == "friction":
            handle.write_friction(env_ids, self.feet, value)
        else:
            write = {"mass": handle.write_masses, "inertia": handle.write_inertias, "com": handle.write_coms}[name]
            write(env_ids, value)

    def _check(self, name: str, got: Tensor, written: Tensor) -> None:
        worst = float((got - written).abs().max())
        if not worst <= _TOLERANCE * max(1.0, float(written.abs().max())):
            suspects = ", ".join(f"randomization.factors.{factor}" for factor in sorted(TOUCHED_BY[name]))
            raise EngineError(
                f"The simulator's {name} differs by up to {worst:.3g} from what was written: a factor does not reach "
                f"the physics. Factors that change it: {suspects}."
            )

    def _check_base(self, body: str, factors: dict[str, Factor], imposed: bool) -> None:
        """Refuse a base without mass or with an impossible inertia: at all corners of the ranges, or as imposed."""
        names = [name for name in self.names if name in ("payload_mass", *PLACE)]
        if not names:
            return
        if imposed:
            columns = torch.stack([self._buckets.values[name].double() for name in names])
            corners: list[tuple[float, ...]] = [tuple(row) for row in columns.T.tolist()]
        else:
            corners = list(product(*((factors[name].edges[0], factors[name].edges[-1]) for name in names)))
            columns = torch.tensor(corners, dtype=torch.float64, device=self.feet.device).T
        found = self.nominal.quantities(dict(zip(names, columns, strict=True)))
        moments = torch.linalg.eigvalsh(found["inertia"][:, self._base].unflatten(1, (3, 3)))
        possible = (moments[:, 0] > 0) & (moments[:, 2] <= (moments[:, 0] + moments[:, 1]) * 1.001)
        possible &= found["mass"][:, self._base] > 0
        for corner, good in zip(corners, possible.tolist(), strict=True):
            if not good:
                what = ", ".join(f"{name} {value:g}" for name, value in zip(names, corner, strict=True))
                raise EngineError(
                    f"randomization.factors.payload_mass.edges: {what} leaves {body!r} without mass or with an inertia "
                    f"that no body has; its nominal mass is {self.nominal.base_mass:g} kg."
                )

    def _foot_columns(self, feet: list[str], model: "RobotModel") -> Tensor:
        by_body: dict[str, list[str]] = {}
        for contact in model.contacts:
            by_body.setdefault(contact.body, []).append(contact.name)
        names = self._handle.geom_names(by_body)
        count = self._handle.friction().shape[1]
        if not model.contacts:  # a USD's geometries have names of their own
            return torch.arange(count)
        missing = [name for name in feet if name not in names]
        if missing or len(names) != count:
            raise EngineError(
                f"randomization.factors.friction: expected the feet {', '.join(feet)} among {count} simulated "
                f"geometries, found {', '.join(names)}."
            )
        return torch.tensor([names.index(name) for name in feet])
