"""Randomisation factors in Isaac Lab's physics: written from the nominal value each time, and read back.

Axis letters: n environments written to, B bodies, J joints, G geometries.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from surefoot.engines.factors import PLACE, SHIFT, Base, PhysicsFactors
from surefoot.engines.isaaclab.compat.joint_parameters import JOINT_PARAMETERS
from surefoot.errors import EngineError
from surefoot.manifest.factors import FACTORS, writable

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv
    from surefoot.engines.isaaclab.robot_model import RobotModel

MOTOR_QUANTITIES = ("stiffness", "damping", "effort_limit", "saturation_effort")
_ARRAYS = tuple(dict.fromkeys(("mass", "inertia", "com", *MOTOR_QUANTITIES, *JOINT_PARAMETERS, "friction")))
"""Of the simulator, in the order of writing: on PhysX a centre of mass is written beside the inertia that is there."""
SUPPORTED = writable({*_ARRAYS, "link_mass", "link_inertia"})

_TOLERANCE = 1e-6
_CHECK_EVERY = 256
"""Writes between checks on a GPU, where reading back waits for the device."""


class IsaacLabFactors(PhysicsFactors):
    """Writes the factors of the manifest that are numbers of the physics.

    Args:
        env: Its handle, manifest and buckets must be there.
        model: The robot, for names of bodies and geometries.
    """

    def __init__(self, env: "IsaacLabEnv", model: "RobotModel") -> None:
        self._handle, self._on_cpu, self._calls = env.handle, env.device == "cpu", 0
        robot = env.manifest.robot
        feet = [geom for geoms in robot.foot_geoms(env.manifest.simulation.contact_model) for geom in geoms]
        self.feet = self._foot_columns(feet, model).to(env.device)
        arrays = [name for name in _ARRAYS if name != "saturation_effort" or env.handle.has_dc_motors]
        self.whole = {name: self._array(name)[0].to(env.device).double() for name in arrays}
        """Arrays of one nominal robot. Shapes (B,), (B, 9) for inertias, (B, 3), (J,) for joints, (G,) for friction."""
        of_bodies, of_joints = list(env.scene["robot"].body_names), list(env.scene["robot"].joint_names)
        owners = {"mass": of_bodies, "inertia": of_bodies, "com": of_bodies, "friction": feet}
        self._owners = {name: owners.get(name, of_joints) for name in arrays}
        base = int(self._handle.body_ids([robot.base_body])[0])
        bodies = torch.arange(len(self.whole["mass"]), device=env.device)
        self._places: dict[str, tuple[str, Any]] = {name: (name, slice(None)) for name in arrays}
        self._places |= {name: (name, bodies[bodies == base]) for name in ("mass", "inertia", "com")}
        self._places |= {f"link_{name}": (name, bodies[bodies != base]) for name in ("mass", "inertia")}
        com, inertia = self.whole["com"][base], self.whole["inertia"][base]
        super().__init__(
            env.manifest,
            env.buckets,
            imposed=env.conditions is not None,
            nominal={name: self.whole[array][columns] for name, (array, columns) in self._places.items()},
            base=Base(float(self.whole["mass"][base]), com, inertia.unflatten(0, (3, 3))),
        )

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
        for name, value in self.arrays(values).items():
            self._write(name, env_ids, value)
            if check:
                held = self._array(name)
                self._check(name, held[env_ids.to(held.device)], value.to(held.device))

    def held(self, quantity: str) -> Tensor:
        """A quantity as the simulator holds it, of all environments. Shape (N, k, ...)."""
        array, columns = self._places[quantity]
        held = self._array(array)
        return held[:, columns if isinstance(columns, slice) else columns.to(held.device)]

    def deviations(self) -> tuple[tuple[str, ...], Tensor]:
        """See `TaskEnv.model_deviations`."""
        some = next(iter(self._buckets.values.values()), None)
        expected = {} if some is None else self.arrays(self.values(torch.arange(len(some), device=some.device)))
        names, off = list[str](), list[Tensor]()
        for name, whole in self.whole.items():
            got = (
                self._array(name).to(whole.device).flatten(2) if whole.dim() > 1 else self._array(name).to(whole.device)
            )
            want = expected.get(name, whole.float().expand(len(got), *whole.shape))
            apart, size = (got - want).abs().amax(dim=0), want.abs().amax(dim=0)
            if whole.dim() > 1:  # of a body: one number for its place or its inertia
                apart, size = apart.amax(dim=1), size.amax(dim=1)
            off.append(apart / size.clamp(min=1e-6))
            owners = self._owners[name] if len(self._owners[name]) == len(apart) else map(str, range(len(apart)))
            names += [f"{name} of {owner}" for owner in owners]
        return tuple(names), torch.cat(off)

    def arrays(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the physics must hold, by array; those alone that a given factor touches.

        Args:
            values: Shape (n,) each.
        """
        values = {name: value.double() for name, value in values.items()}
        parts = self.rows(values)
        if not {"payload_mass", *PLACE, *SHIFT}.isdisjoint(values):
            loaded = self.base.loaded(values)
            inertia = self.nominal["inertia"] * (loaded.mass / self.base.mass)[:, None, None]
            if loaded.apart is not None:
                inertia = inertia + loaded.apart.flatten(1).unsqueeze(1)
            if "payload_mass" in values:
                parts |= {"mass": loaded.mass.unsqueeze(1), "inertia": inertia}
            if not {*PLACE, *SHIFT}.isdisjoint(values):
                parts["com"] = loaded.com.unsqueeze(1)
        found: dict[str, Tensor] = {}
        for quantity, part in parts.items():
            array, columns = self._places[quantity]
            whole = self.whole[array]
            found.setdefault(array, whole.expand(len(part), *whole.shape).clone())[:, columns] = part
        return {name: found[name].float() for name in _ARRAYS if name in found}

    def _array(self, name: str) -> Tensor:
        """As the simulator holds it, of all environments."""
        if name == "friction":
            friction = self._handle.friction()
            return friction[:, self.feet.to(friction.device)]
        by_body = {"mass": self._handle.masses, "inertia": self._handle.inertias, "com": self._handle.coms}
        return by_body[name]() if name in by_body else self._handle.joint_parameter(name)

    def _write(self, name: str, env_ids: Tensor, value: Tensor) -> None:
        handle = self._handle
        by_body = {"mass": handle.write_masses, "inertia": handle.write_inertias, "com": handle.write_coms}
        if name == "friction":
            handle.write_friction(env_ids, self.feet, value)
        elif name in by_body:
            by_body[name](env_ids, value)
        else:
            handle.write_joint_parameter(name, env_ids, value)

    def _check(self, name: str, got: Tensor, written: Tensor) -> None:
        worst = float((got - written).abs().max())
        if not worst <= _TOLERANCE * max(1.0, float(written.abs().max())):
            touching = [key for key in sorted(FACTORS) if {name, f"link_{name}"} & set(FACTORS[key].quantities)]
            suspects = ", ".join(f"randomization.factors.{key}" for key in touching)
            raise EngineError(
                f"The simulator's {name} differs by up to {worst:.3g} from what was written: a factor does not reach "
                f"the physics. Factors that change it: {suspects}."
            )

    def _foot_columns(self, feet: list[str], model: "RobotModel") -> Tensor:
        if not model.contacts:  # a USD's geometries have names of their own
            return torch.arange(self._handle.friction().shape[1])
        self._handle.tell_geometries_apart([contact.name for contact in model.contacts])
        names, count = self._handle.geom_names, self._handle.friction().shape[1]
        missing = [name for name in feet if name not in names]
        if missing or len(names) != count:
            raise EngineError(
                f"randomization.factors.friction: expected the feet {', '.join(feet)} among {count} simulated "
                f"geometries, found {', '.join(names)}."
            )
        return torch.tensor([names.index(name) for name in feet])
