"""The robot's MJCF, reduced to what collides under the chosen contact model: the source of the USD file.

Both engines take masses, frames and geometries from one file, so that they simulate one robot. A robot without MJCF is
whatever its USD says; contacts are then told apart by body.
"""

from dataclasses import dataclass

import mujoco

from surefoot.engines.mjcf import check_names, robot_spec
from surefoot.manifest.robot import Robot


@dataclass(frozen=True)
class ContactGeom:
    """A geometry that collides."""

    name: str
    body: str
    condim: int
    friction: tuple[float, float, float]
    """Sliding, torsional, rolling; the ground has none, so that the robot's own counts."""
    solref: tuple[float, float]
    """Time constant (s) and damping ratio of the contact."""
    priority: int = 0
    """Of two geometries the one with more decides alone; among equals the ground's values are mixed in."""


@dataclass(frozen=True)
class RobotModel:
    """A compiled robot without visual parts.

    Attributes:
        mj: MuJoCo's model of it; None without MJCF.
        contacts: What collides, in the model's order; empty without MJCF.
        foot_bodies: Body that carries each foot, canonical order.
        foot_offsets: m, centre of each foot in the frame of its body. Shape (num_feet, 3).
    """

    mj: mujoco.MjModel | None
    contacts: tuple[ContactGeom, ...]
    foot_bodies: tuple[str, ...]
    foot_offsets: tuple[tuple[float, float, float], ...]

    def body_of(self, geom: str) -> str:
        """Body that carries a geometry; without MJCF, geometries stand for bodies."""
        if self.mj is None:
            return geom
        return self.mj.body(int(self.mj.geom(geom).bodyid[0])).name


def load_robot_model(robot: Robot, contact_model: str) -> RobotModel:
    """Read and compile the robot's MJCF; names of the manifest that the file lacks are refused."""
    bodies, offsets = tuple(foot.body for foot in robot.feet), tuple(foot.offset for foot in robot.feet)
    if robot.assets.mujoco is None:
        return RobotModel(None, (), bodies, offsets)
    spec = robot_spec(robot.assets.mujoco)
    check_names(spec, robot)
    for geom in list(spec.geoms):
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            spec.delete(geom)
    for mesh in list(spec.meshes):
        spec.delete(mesh)
    model = spec.compile()
    return RobotModel(model, _contacts(model, robot, contact_model), bodies, offsets)


def _contacts(model: mujoco.MjModel, robot: Robot, contact_model: str) -> tuple[ContactGeom, ...]:
    """The same choice as on MuJoCo: named groups collide, and everything collidable where self-collision is on."""
    contacts, groups = robot.contact_models[contact_model], robot.contact_groups(contact_model)
    feet = set(groups["feet"])
    colliding: set[str] = set().union(*groups.values())
    found: list[ContactGeom] = []
    for index in range(model.ngeom):
        name, body = model.geom(index).name, model.body(int(model.geom_bodyid[index])).name
        solref = (float(contacts.solref[0]), float(contacts.solref[1]))
        every = model.geom_conaffinity[index] and contacts.self_collision and name not in contacts.ignore
        if name in feet:
            grip = tuple(float(x) for x in contacts.foot_friction)
            found.append(ContactGeom(name, body, contacts.foot_condim, grip, solref, 1))  # pyright: ignore[reportArgumentType]
        elif name in colliding or every:
            grip = tuple(float(x) for x in model.geom_friction[index])
            found.append(ContactGeom(name, body, 1, grip, solref))  # pyright: ignore[reportArgumentType]
    return tuple(found)
