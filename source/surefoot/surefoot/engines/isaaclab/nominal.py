"""The simulated robot as its definition says, and what becomes of it with given factor values.

Axis letters: n environments, B bodies, J joints, G foot geometries.
"""

import torch
from torch import Tensor

from surefoot.manifest.factors import FACTORS

PLACE = ("payload_x", "payload_y", "payload_z")
SHIFT = ("com_shift_x", "com_shift_y", "com_shift_z")
TOUCHED_BY = {
    "mass": {"payload_mass", "link_mass"},
    "inertia": {"payload_mass", "link_mass"},
    "com": {*PLACE, *SHIFT},
    "stiffness": {"motor_strength", "stiffness"},
    "damping": {"motor_strength", "damping"},
    "effort_limit": {"motor_strength"},
    "saturation_effort": {"motor_strength"},
    "armature": {"armature"},
    "joint_friction": {"joint_friction"},
    "friction": {"friction"},
}
"""Quantities of the physics, and the factors that change them; DC motors alone have a `saturation_effort`."""
MOTOR_QUANTITIES = ("stiffness", "damping", "effort_limit", "saturation_effort")


class NominalRobot:
    """Turns factor values into quantities; nothing here has a memory, so nothing can drift.

    Args:
        held: Each quantity of one environment as the simulator holds it at the start. Shapes (B,), (B, 9) for
            inertias, (B, 3) for centres of mass, (J,) for joints, (G,) for friction.
        base: Column of the base body.

    Attributes:
        held: As given, in double precision.
    """

    def __init__(self, held: dict[str, Tensor], base: int) -> None:
        self.held = {name: value.double() for name, value in held.items()}
        self._base = base
        self._others = torch.arange(len(held["mass"]), device=held["mass"].device) != base
        self.base_mass = float(held["mass"][base])

    def quantities(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the physics must hold, by quantity; those alone that a given factor touches.

        Args:
            values: Shape (n,) each.
        """
        values = {name: value.double() for name, value in values.items()}
        count = len(next(iter(values.values()))) if values else 0
        found = {
            name: self.held[name].expand(count, *self.held[name].shape).clone()
            for name, factors in TOUCHED_BY.items()
            if name in self.held and not factors.isdisjoint(values)
        }
        self._load(values, found)
        for name in found:
            if name in (*MOTOR_QUANTITIES, "armature"):
                for factor in TOUCHED_BY[name] & set(values):
                    found[name] *= values[factor].unsqueeze(1)
            elif name in ("joint_friction", "friction"):
                found[name][:] = values[name].unsqueeze(1)
        return {name: value.float() for name, value in found.items()}

    def neutral(self, name: str) -> float:
        """Value of a factor that changes nothing."""
        stated = FACTORS[name].neutral
        if stated is not None:
            return stated
        if name in PLACE:
            return float(self.held["com"][self._base, PLACE.index(name)])
        return float(self.held[name][0])

    def _load(self, values: dict[str, Tensor], found: dict[str, Tensor]) -> None:
        """Masses, inertias and centres of mass: a payload, a shift, and the factor on the other bodies.

        With the reduced mass mu = m a / (m + a) and the distance d between the two centres of mass, the inertia about
        the common centre is I (1 + a / m) + mu (d^2 E - d d^T): the parallel-axis theorem for body and payload, the
        payload being of the body's shape.
        """
        base = self._base
        if "link_mass" in values:
            found["mass"][:, self._others] *= values["link_mass"].unsqueeze(1)
            found["inertia"][:, self._others] *= values["link_mass"][:, None, None]
        own = self.held["com"][base]
        if (added := values.get("payload_mass")) is not None:
            mass = self.held["mass"][base]
            total = mass + added
            found["mass"][:, base] = total
            found["inertia"][:, base] *= (total / mass).unsqueeze(1)
            if not set(PLACE).isdisjoint(values):
                columns = [values.get(name, own[axis].expand_as(added)) for axis, name in enumerate(PLACE)]
                d = torch.stack(columns, dim=1) - own
                spread = d.square().sum(dim=1)[:, None, None] * torch.eye(3, dtype=d.dtype, device=d.device)
                moved = (mass * added / total)[:, None, None] * (spread - d.unsqueeze(2) * d.unsqueeze(1))
                found["inertia"][:, base] += moved.flatten(1)
                found["com"][:, base] = own + d * (added / total).unsqueeze(1)
        for axis, name in enumerate(SHIFT):
            if name in values:
                found["com"][:, base, axis] += values[name]
