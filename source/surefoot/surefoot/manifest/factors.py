"""Randomisation factors, one record each: the only place that lists them.

Schema, random draws, panels, the comparison with training and both engines derive from these records. What an engine
adds is where its simulator keeps the quantities that a record names.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from surefoot.manifest.manifest import Manifest

Span = tuple[float, float]
"""Smallest and largest."""


@dataclass(frozen=True)
class FactorKind:
    """One quantity that may differ between environments or episodes."""

    name: str
    unit: str
    """`-` where there is none."""
    neutral: float | None
    """Value that changes nothing; None: what the robot definition says."""
    minimum: float
    meaning: str
    example: float
    """A value that is not neutral and that a quadruped of 10 kg can stand with."""
    maximum: float = 100.0
    """A factor of a hundred: no robot's parts are known to be off by more."""
    above_minimum: bool = False
    """Whether the minimum itself is refused."""
    whole: bool = False
    """Whole numbers only."""
    scales: tuple[str, ...] = ()
    """Quantities of the physics that it multiplies."""
    sets: tuple[str, ...] = ()
    """Quantities of the physics that it replaces, with one value for all joints or feet."""
    loads: tuple[str, ...] = ()
    """Mass properties of the base that it changes, by the formula of `surefoot.engines.factors`."""
    needs: str = ""
    """Another factor without which it does nothing."""
    compared: Literal["range", "place", "noise", "kicks"] = "range"
    """How a cell's value is held against training's: within its range; within it where the cell has a value at all; as
    the amplitude of the task's declared noise; or with the kicks that it multiplies."""
    own: "Callable[[Manifest], Span] | None" = None
    """What the robot definition says, over all joints or feet; where `neutral` is None and the manifest knows it."""
    step: "Callable[[Manifest], float] | None" = None
    """s: a cell says seconds, and the factor counts steps of this length."""
    beside: "Callable[[Manifest], Span] | None" = None
    """What training adds to its values by other keys than the factor."""

    @property
    def quantities(self) -> tuple[str, ...]:
        """What an engine has to write; nothing for what happens outside of the physics: delays, noise, kicks."""
        return (*self.scales, *self.sets, *self.loads)

    def problem(self, value: float, whole: bool = True) -> str:
        """What is wrong with a value; empty where nothing is.

        Args:
            value: In the factor's unit.
            whole: Whether a factor of whole numbers has to be one here: seconds of a cell need not.
        """
        if value < self.minimum or (self.above_minimum and value == self.minimum):
            return f"expected values {'>' if self.above_minimum else '>='} {self.minimum:g}, got {value:g}"
        # A cell gives a delay in s: within one second any robot has fallen.
        most = self.maximum if whole or self.step is None else 1.0
        if value > most:
            return f"expected values <= {most:g}, got {value:g}"
        if self.whole and whole and value != round(value):
            return f"expected whole numbers of {self.unit}, got {value:g}"
        return ""


def _foot_friction(manifest: "Manifest") -> Span:
    friction = manifest.robot.contact_models[manifest.simulation.contact_model].foot_friction[0]
    return friction, friction


def _joint_friction(manifest: "Manifest") -> Span:
    friction = [joint.friction for joint in manifest.robot.joints]
    return min(friction), max(friction)


def _command_delays(manifest: "Manifest") -> Span:
    return manifest.task.actions.delay_steps


def _sensor_delays(manifest: "Manifest") -> Span:
    lags = [term.delay_steps for term in manifest.task.observations.actor.terms.values()]
    return min(lag[0] for lag in lags), max(lag[1] for lag in lags)


_FAR = 10.0
"""m, beyond any part of a robot."""
_STEPS = 1000.0
"""Of a delay; each is a copy of the commands or sensors of every robot."""
_OF_MOTORS = ("stiffness", "damping", "effort_limit", "saturation_effort")
_KINDS = (
    FactorKind(
        "friction", "-", None, 0.0, "sliding friction of the feet", 0.5,
        above_minimum=True, sets=("friction",), own=_foot_friction,
    ),
    FactorKind(
        "payload_mass", "kg", 0.0, -1000.0, "mass added to the base, with the base's shape", 1.5, 1000.0,
        loads=("mass", "inertia"),
    ),
    *(
        FactorKind(
            f"payload_{axis}", "m", None, -_FAR, f"where the payload's centre of mass is: base frame, {where}", example,
            _FAR, loads=("com",), needs="payload_mass", compared="place",
        )
        for axis, where, example in (("x", "forward", 0.1), ("y", "to the left", 0.05), ("z", "up", 0.08))
    ),
    *(
        FactorKind(
            f"com_shift_{axis}", "m", 0.0, -_FAR, f"shift of the base's centre of mass, payload included: {where}",
            0.02, _FAR, loads=("com",),
        )
        for axis, where in (("x", "forward"), ("y", "to the left"), ("z", "up"))
    ),
    FactorKind(
        "link_mass", "-", 1.0, 0.0, "factor on mass and inertia of every body but the base", 1.2,
        above_minimum=True, scales=("link_mass", "link_inertia"),
    ),
    FactorKind("motor_strength", "-", 1.0, 0.0, "factor on the motors' torque, limit included", 0.8, scales=_OF_MOTORS),
    FactorKind("stiffness", "-", 1.0, 0.0, "factor on the proportional gains", 1.2, scales=("stiffness",)),
    FactorKind("damping", "-", 1.0, 0.0, "factor on the derivative gains", 1.2, scales=("damping",)),
    FactorKind(
        "joint_friction", "N m", None, 0.0, "dry friction of every joint", 0.15, 10_000.0,
        sets=("joint_friction",), own=_joint_friction,
    ),
    FactorKind(
        "armature", "-", 1.0, 0.0, "factor on the reflected rotor inertias", 1.2,
        above_minimum=True, scales=("armature",),
    ),
    FactorKind(
        "control_delay", "physics steps", 0.0, 0.0, "delay between command and motor", 2.0, _STEPS,
        whole=True, step=lambda manifest: manifest.simulation.timestep, beside=_command_delays,
    ),
    FactorKind(
        "observation_delay", "control steps", 0.0, 0.0, "delay of the actor's sensors", 1.0, _STEPS,
        whole=True, step=lambda manifest: manifest.simulation.step_dt, beside=_sensor_delays,
    ),
    FactorKind("noise_level", "-", 1.0, 0.0, "factor on the noise of observations", 2.0, compared="noise"),
    FactorKind("push_strength", "-", 1.0, 0.0, "factor on the size of kicks", 1.5, compared="kicks"),
    FactorKind(
        "sensor_bias", "-", 0.0, 0.0, "offset of observations for an episode, in amplitudes of their noise", 0.5,
        compared="noise",
    ),
)  # fmt: skip

FACTORS: dict[str, FactorKind] = {kind.name: kind for kind in _KINDS}
"""By name. New ones go to the end: the order numbers the random draws."""


def writable(quantities: Collection[str]) -> frozenset[str]:
    """Factors that an engine has whose simulator holds these quantities."""
    return frozenset(name for name, kind in FACTORS.items() if set(kind.quantities) <= set(quantities))
