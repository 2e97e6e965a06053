"""Randomisation factors in Isaac Lab's physics: written from the nominal value each time, and read back.

Axis letters: n environments written to.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from surefoot.engines.isaaclab.robot_model import RobotModel
from surefoot.errors import EngineError

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv

PHYSICS_FACTORS = frozenset({"friction", "payload_mass"})
SUPPORTED = PHYSICS_FACTORS | {"noise_level", "push_strength", "sensor_bias"}

_TOLERANCE = 1e-6
_CHECK_EVERY = 256
"""Writes between checks on a GPU, where reading back waits for the device."""


class PhysicsFactors:
    """Writes the factors of the manifest that are numbers of the physics.

    Args:
        env: Its handle, manifest and buckets must be there.
        model: The robot, for names of bodies and geometries.
    """

    def __init__(self, env: "IsaacLabEnv", model: RobotModel) -> None:
        self._handle, self._buckets, self._on_cpu = env.handle, env.buckets, env.device == "cpu"
        self.names = tuple(name for name in env.buckets.values if name in PHYSICS_FACTORS)
        robot = env.manifest.robot
        self._calls = 0
        self._base = int(self._handle.body_ids([robot.base_body])[0])
        self._mass = self._handle.masses()[0, self._base].clone()
        self._inertia = self._handle.inertias()[0, self._base].clone()
        feet = robot.contact_groups(env.manifest.simulation.contact_model)["feet"]
        self._feet = self._foot_columns(list(feet), model).to(env.device)
        if "payload_mass" in self.names:
            lowest = float(self._mass) + env.manifest.randomization.factors["payload_mass"].edges[0]
            if lowest <= 0:
                raise EngineError(
                    f"randomization.factors.payload_mass.edges: the lowest edge leaves {robot.base_body!r} with "
                    f"{lowest:g} kg; its nominal mass is {float(self._mass):g} kg."
                )

    def apply(self, env_ids: Tensor) -> None:
        """Write the values in force of some environments.

        Raises:
            EngineError: The simulator holds other values than those written.
        """
        check = self._on_cpu or self._calls % _CHECK_EVERY == 0
        self._calls += 1
        if "payload_mass" in self.names:
            total = self._mass + self._buckets.values["payload_mass"][env_ids].to(self._mass.device)
            inertia = self._inertia * (total / self._mass).unsqueeze(1)
            self._handle.write_inertial(env_ids, self._base, total, inertia)
            if check:
                rows = env_ids.to(total.device)
                _check("payload_mass", self._handle.masses()[rows, self._base], total)
                _check("payload_mass", self._handle.inertias()[rows, self._base], inertia)
        if "friction" in self.names:
            friction = self._buckets.values["friction"][env_ids]
            self._handle.write_friction(env_ids, self._feet, friction)
            if check:
                held = self._handle.friction()
                got = held[env_ids.to(held.device).unsqueeze(1), self._feet.to(held.device)]
                _check("friction", got, friction.to(held.device).unsqueeze(1).expand_as(got))

    def _foot_columns(self, feet: list[str], model: RobotModel) -> Tensor:
        by_body: dict[str, list[str]] = {}
        for contact in model.contacts:
            by_body.setdefault(contact.body, []).append(contact.name)
        names = self._handle.geom_names(by_body)
        count = self._handle.friction().shape[1]
        missing = [name for name in feet if name not in names]
        if missing or len(names) != count:
            raise EngineError(
                f"randomization.factors.friction: expected the feet {', '.join(feet)} among {count} simulated "
                f"geometries, found {', '.join(names)}."
            )
        return torch.tensor([names.index(name) for name in feet])


def _check(name: str, got: Tensor, written: Tensor) -> None:
    worst = float((got - written).abs().max())
    if not worst <= _TOLERANCE * max(1.0, float(written.abs().max())):
        raise EngineError(
            f"randomization.factors.{name}: the simulator holds values that differ by up to {worst:.3g} from those "
            "written; the factor does not reach the physics."
        )
