"""MJCF models of robots, by the name under `robot.assets.mujoco`: geometry and masses for every engine.

Only what cannot differ between tasks is read from them. Motors, joint limits and contacts are the manifest's.
"""

import importlib.util
from collections import Counter
from pathlib import Path

import mujoco
import torch
from torch import Tensor

from surefoot import labs
from surefoot.errors import EngineError, LabError, MissingExtra, did_you_mean, unknown_name
from surefoot.manifest.robot import Robot

_MJLAB = {
    "unitree_g1": "asset_zoo/robots/unitree_g1/xmls/g1.xml",
    "unitree_go1": "asset_zoo/robots/unitree_go1/xmls/go1.xml",
}
"""Files in the package mjlab, of which nothing is imported."""

_SOLIMP = (0.9, 0.95, 0.001, 0.5, 2.0)
"""MuJoCo's default."""


def robot_spec(name: str) -> mujoco.MjSpec:
    """A fresh spec of a robot, without actuators, sensors and key frames, every collision geometry named.

    A geometry without a name gets that of its body and a number: `FL_calf_collision1`. Contacts are MuJoCo's defaults
    until a contact model changes them: no margin, default solimp.

    Raises:
        UnknownName: No such model.
        MissingExtra: The package with the file is not installed.
        EngineError: MuJoCo Menagerie's copy is absent and cannot be downloaded; or the file is of a lab, and is not
            MJCF or names a mesh that is not there.
    """
    return named_spec(mjcf_path(name))


def named_spec(path: Path) -> mujoco.MjSpec:
    """The same of a file.

    Raises:
        EngineError: It is not MJCF, or names a mesh that is not there.
    """
    spec = _read(path)
    _check_meshes(spec, path)
    for part in (*spec.actuators, *spec.sensors, *spec.keys):
        spec.delete(part)
    spec.option.cone, spec.option.impratio = mujoco.mjtCone.mjCONE_PYRAMIDAL, 1.0  # MuJoCo's defaults
    counts: Counter[str] = Counter()
    for geom in spec.geoms:
        if not geom.contype and not geom.conaffinity:
            continue
        if not geom.name:
            counts[geom.parent.name] += 1
            geom.name = f"{geom.parent.name}_collision{counts[geom.parent.name]}"
        geom.margin, geom.solimp = 0.0, _SOLIMP
    return spec


def _read(path: Path) -> mujoco.MjSpec:
    try:
        return mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise EngineError(f"{path}: not an MJCF that MuJoCo reads ({' '.join(str(error).split())}).") from None


def _check_meshes(spec: mujoco.MjSpec, path: Path) -> None:
    folder = path.parent / spec.meshdir
    missing = [mesh.file for mesh in spec.meshes if mesh.file and not (folder / mesh.file).is_file()]
    if missing:
        count = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise EngineError(
            f"{path}: mesh file {missing[0]!r}{count} is not in {folder}: copy it there, or drop the mesh."
        )


def check_names(spec: mujoco.MjSpec, robot: Robot) -> None:
    """Refuse a robot definition that names what its model does not have, or leaves a joint out.

    Raises:
        EngineError: Says which key and the nearest name.
    """
    bodies, geoms = {body.name for body in spec.bodies}, {geom.name for geom in spec.geoms}
    joints = {joint.name for joint in spec.joints if joint.type != mujoco.mjtJoint.mjJNT_FREE}
    wanted = [("base_body", robot.base_body, bodies)]
    wanted += [(f"joints.{index}.name", joint.name, joints) for index, joint in enumerate(robot.joints)]
    for index, foot in enumerate(robot.feet):
        wanted.append((f"feet.{index}.body", foot.body, bodies))
        wanted += [(f"feet.{index}.geoms", geom, geoms) for geom in foot.geoms]
    wanted += [("base_geoms", geom, geoms) for geom in robot.base_geoms]
    wanted += [("limb_geoms", geom, geoms) for geom in robot.limb_geoms]
    for key, name, known in wanted:
        if name not in known:
            hint = did_you_mean(name, {other for other in known if other})
            raise EngineError(f"robot.{key}: the MJCF {robot.assets.mujoco!r} has no {name!r}. {hint}")
    left_out = joints - set(robot.joint_names)
    if left_out:
        raise EngineError(f"robot.joints: the MJCF {robot.assets.mujoco!r} also has {', '.join(sorted(left_out))}.")


def imu_offset(model: mujoco.MjModel, robot: Robot, prefix: str = "") -> Tensor | None:
    """Where `robot.imu_site` is, m, base frame, shape (3,); None where the base has no such site.

    Args:
        model: The robot, compiled.
        robot: Its definition.
        prefix: Of all names in the model.
    """
    site = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, f"{prefix}{robot.imu_site}")
    if site < 0 or model.body(int(model.site_bodyid[site])).name != f"{prefix}{robot.base_body}":
        return None
    return torch.tensor(model.site_pos[site], dtype=torch.float32)


def mjcf_path(name: str) -> Path:
    """The robot's MJCF file: of a lab (`my_lab/robots/dog.xml`), of mjlab, or of MuJoCo Menagerie by its name there.

    See `robot_spec` for what is raised.
    """
    if name in _MJLAB:
        return _in_mjlab(name)
    if "/" in name or name.endswith(".xml"):
        try:
            return labs.model_path(name)
        except LabError as error:
            if Path(name).is_file():
                raise EngineError(
                    f"robot.assets.mujoco: {name!r} is a path, which no other machine has. Put the file into a lab, "
                    f"where it has a name: surefoot new my_lab --robot {name}"
                ) from None
            raise EngineError(f"robot.assets.mujoco: {name!r}: {error}") from None
    return _in_menagerie(name)


def _in_mjlab(name: str) -> Path:
    spec = importlib.util.find_spec("mjlab")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            f"The model of robot {name!r} is a file in the package 'mjlab', which is not installed. "
            "Install it: pip install --no-deps mjlab"
        )
    return Path(spec.submodule_search_locations[0]) / _MJLAB[name]


def _in_menagerie(name: str) -> Path:
    try:
        import mujoco_menagerie
    except ImportError as error:
        raise MissingExtra(
            f"The model of robot {name!r} is MuJoCo Menagerie's. Install it: pip install mujoco-menagerie"
        ) from error
    if name not in mujoco_menagerie.names():
        raise unknown_name("MJCF model", name, [*_MJLAB, *mujoco_menagerie.names()])
    try:
        robot = mujoco_menagerie.get(name)
        if robot.default_model is None:
            raise EngineError(f"MuJoCo Menagerie's {name!r} is no robot of one model.")
        path = robot.xml(robot.default_model)
    except (mujoco_menagerie.MenagerieError, OSError) as error:
        raise EngineError(
            f"The model of robot {name!r} is not there ({' '.join(str(error).split())}). It is downloaded once from "
            "MuJoCo Menagerie; without a connection set MENAGERIE_ROOT to a folder that has a copy."
        ) from error
    if not path.is_file():
        raise EngineError(f"The model of robot {name!r} is not there: MENAGERIE_ROOT has no {path}.")
    return path
