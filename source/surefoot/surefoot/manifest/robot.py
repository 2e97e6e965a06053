"""The robot section: what is fixed about the machine, shared by all engines."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from surefoot.errors import did_you_mean
from surefoot.manifest.base import (
    MAX_PARTS,
    Fraction,
    KeyedError,
    Name,
    NonNegativeFloat,
    Number,
    OmittedByDefault,
    Ordered,
    PositiveFloat,
    Range,
    Section,
    Text,
)

Motors = Literal["implicit_pd", "dc_motor"]
"""implicit_pd: the position loop's torque up to a limit, integrated with the physics. dc_motor: the same loop, its
torque within a torque-speed curve too and taken from the state before each physics step."""


class Joint(Section):
    """One actuated joint; the order of the list is the canonical joint order."""

    name: Text
    default_pos: Number
    """rad; the pose that action 0 commands."""
    limits: Range
    """rad, hard limits of the mechanism."""
    stiffness: NonNegativeFloat
    """N m/rad, proportional gain of the motor's position loop."""
    damping: NonNegativeFloat
    """N m s/rad, derivative gain of the motor's position loop."""
    effort_limit: PositiveFloat
    """N m, largest torque."""
    velocity_limit: PositiveFloat
    """rad/s; of a DC motor the speed at which it has no torque left."""
    saturation_effort: Annotated[PositiveFloat | None, OmittedByDefault()] = None
    """N m, stall torque of a DC motor; None: `effort_limit`."""
    armature: NonNegativeFloat
    """kg m^2, rotor inertia reflected through the gearbox."""
    friction: NonNegativeFloat = 0.0
    """N m, dry friction of motor and gearbox."""
    mirror: Text
    """Joint on the other side (or itself) that takes this joint's place in the left-right mirror."""
    mirror_sign: Literal[-1, 1]
    """-1 where the mirrored joint turns the other way."""

    @property
    def stall_torque(self) -> float:
        """N m, what the torque-speed curve begins with at speed 0."""
        return self.effort_limit if self.saturation_effort is None else self.saturation_effort

    @model_validator(mode="after")
    def _check_saturation(self) -> Self:
        if self.stall_torque < self.effort_limit:
            raise KeyedError(
                "saturation_effort",
                f"expected at least effort_limit, {self.effort_limit:g} N m (a motor that stands still has its largest "
                f"torque), got {self.saturation_effort:g} N m",
            )
        return self


class Foot(Section):
    """One foot; the order of the list is the canonical foot order."""

    name: Text
    body: Text
    """Body that carries it."""
    offset: tuple[Number, Number, Number]
    """m, the point whose position and velocity are the foot's, in the frame of `body`."""
    radius: PositiveFloat
    """m, from that point down to the sole."""
    geoms: Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_PARTS)]
    """Collision geometries that touch the ground; of a robot without MJCF, bodies."""
    mirror: Text
    """Foot on the other side."""


class ContactModel(Section):
    """Which geometries can touch what, and how hard the contact is."""

    collide: tuple[Literal["feet", "base", "limbs"], ...]
    """Groups that touch the ground."""
    ignore: Annotated[tuple[Text, ...], Field(max_length=MAX_PARTS)] = ()
    """Geometries of these groups that touch nothing all the same."""
    self_collision: bool
    foot_condim: Literal[3, 4, 6]
    """Dimensions of a foot contact: 3 sliding, 4 with torsion, 6 with rolling friction."""
    foot_friction: tuple[PositiveFloat, PositiveFloat, PositiveFloat]
    """Nominal sliding (no unit), torsional (m) and rolling (m) friction of the feet."""
    solref: tuple[PositiveFloat, PositiveFloat]
    """MuJoCo contact time constant, s, and damping ratio."""

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        if "feet" not in self.collide:
            raise KeyedError("collide", "expected feet among the groups: gait and contact times are read from them")
        if len(set(self.collide)) < len(self.collide):
            raise KeyedError("collide", f"expected each group once, got {list(self.collide)}")
        return self


class RobotAssets(Section):
    """Where the engines find the robot's model."""

    mujoco: str | None = None
    """MJCF model: a file of an installed lab as `LAB/PATH`, or a name: `unitree_go1` and `unitree_g1` are mjlab's, all
    others MuJoCo Menagerie's. Isaac Lab takes its USD from it."""
    usd: str | None = None
    """USD file on this machine, for Isaac Lab where there is no MJCF."""
    isaaclab: str | None = None
    """Configuration in `isaaclab_assets` that names a USD on Isaac's asset server, where there is nothing else."""

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if self.mujoco is None and self.usd is None and self.isaaclab is None:
            raise KeyedError("mujoco", "expected at least one of mujoco, usd and isaaclab")
        return self


class Robot(Section):
    """Everything about the machine that no task changes."""

    name: Name
    source: str
    """Where the numbers come from."""
    base_body: str
    """Body whose pose and velocity are the base's."""
    base_height: PositiveFloat
    """m, height of the base origin in the default pose with the feet on the ground."""
    imu_site: str
    """Where the IMU sits: a site of `base_body` in the MJCF. Otherwise there is no accelerometer."""
    soft_limit_factor: Fraction
    """Share of each joint's range that counts as inside the soft limits."""
    motors: Annotated[Motors, OmittedByDefault()] = "implicit_pd"
    """Kind of all motors."""
    joints: Annotated[tuple[Joint, ...], Field(min_length=1, max_length=MAX_PARTS)]
    feet: Annotated[tuple[Foot, ...], Field(min_length=1, max_length=100)]
    base_geoms: Annotated[tuple[Text, ...], Field(max_length=MAX_PARTS)]
    """Collision geometries of the trunk and head; of a robot without MJCF, bodies."""
    limb_geoms: Annotated[tuple[Text, ...], Field(max_length=MAX_PARTS)]
    """Collision geometries of legs and arms, feet excluded; of a robot without MJCF, bodies."""
    contact_models: Annotated[dict[Text, ContactModel], Field(max_length=100), Ordered()]
    assets: RobotAssets

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names in canonical order."""
        return tuple(joint.name for joint in self.joints)

    @property
    def foot_names(self) -> tuple[str, ...]:
        """Names in canonical order."""
        return tuple(foot.name for foot in self.feet)

    def foot_geoms(self, contact_model: str) -> tuple[tuple[str, ...], ...]:
        """For each foot, what of it touches the ground under a contact model."""
        ignored = self.contact_models[contact_model].ignore
        return tuple(tuple(geom for geom in foot.geoms if geom not in ignored) for foot in self.feet)

    def contact_groups(self, contact_model: str) -> dict[str, tuple[str, ...]]:
        """What can touch the ground under a contact model, by group; feet one after the other."""
        chosen = self.contact_models[contact_model]
        feet = tuple(geom for geoms in self.foot_geoms(contact_model) for geom in geoms)
        groups = {"feet": feet, "base": self.base_geoms, "limbs": self.limb_geoms}
        return {name: tuple(geom for geom in groups[name] if geom not in chosen.ignore) for name in chosen.collide}

    @property
    def default_joint_pos(self) -> tuple[float, ...]:
        """rad, canonical joint order."""
        return tuple(joint.default_pos for joint in self.joints)

    @property
    def soft_joint_limits(self) -> tuple[tuple[float, float], ...]:
        """rad, (lower, upper) per joint: the hard range shrunk about its middle."""
        out: list[tuple[float, float]] = []
        for joint in self.joints:
            low, high = joint.limits
            middle, half = (low + high) / 2, (high - low) / 2 * self.soft_limit_factor
            out.append((middle - half, middle + half))
        return tuple(out)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for kind, parts in (("joints", self.joints), ("feet", self.feet)):
            names = [part.name for part in parts]
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise KeyedError(kind, f"{twice} appear more than once")
            for index, part in enumerate(parts):
                key = f"{kind}.{index}.mirror"
                if part.mirror not in names:
                    raise KeyedError(
                        key,
                        f"{part.mirror!r}, the mirror of {part.name!r}, does not exist. "
                        f"{did_you_mean(part.mirror, names)}",
                    )
                back = parts[names.index(part.mirror)].mirror
                if back != part.name:
                    raise KeyedError(
                        key, f"mirroring {part.name!r} twice gives {back!r}; the mirror must be its own inverse"
                    )
        self._check_contacts()
        self._check_joints()
        return self

    def _check_joints(self) -> None:
        for index, joint in enumerate(self.joints):
            if not joint.limits[0] <= joint.default_pos <= joint.limits[1]:
                raise KeyedError(
                    f"joints.{index}.default_pos",
                    f"expected a value within the limits {list(joint.limits)} of {joint.name!r}, "
                    f"got {joint.default_pos}",
                )
            other = self.joints[self.joint_names.index(joint.mirror)]
            if joint.mirror_sign != other.mirror_sign:
                raise KeyedError(
                    f"joints.{index}.mirror_sign",
                    f"mirroring {joint.name!r} twice changes its sign; {other.name!r} must have the same mirror_sign",
                )
            if joint.default_pos != joint.mirror_sign * other.default_pos:
                raise KeyedError(
                    f"joints.{index}.default_pos",
                    f"expected {joint.mirror_sign * other.default_pos}, the mirror image of {other.name!r} (the mirror "
                    f"map takes joint positions relative to the default pose), got {joint.default_pos}",
                )
            mirrored = sorted(joint.mirror_sign * limit for limit in other.limits)
            if list(joint.limits) != mirrored:
                raise KeyedError(
                    f"joints.{index}.limits",
                    f"expected {mirrored}, the mirror image of {other.name!r}, got {list(joint.limits)}",
                )

    def _check_contacts(self) -> None:
        known = {geom for foot in self.feet for geom in foot.geoms} | {*self.base_geoms, *self.limb_geoms}
        for name, model in self.contact_models.items():
            for geom in model.ignore:
                if geom not in known:
                    key = f"contact_models.{name}.ignore"
                    raise KeyedError(key, f"{geom!r} is in no group. {did_you_mean(geom, known)}")
            for foot, geoms in zip(self.feet, self.foot_geoms(name), strict=True):
                if not geoms:
                    raise KeyedError(f"contact_models.{name}.ignore", f"leaves foot {foot.name!r} without geometry")
