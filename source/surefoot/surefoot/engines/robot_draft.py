"""A first robot definition from an MJCF: joints, mirror, feet and groups are read, gains are guessed and said to be.

The mirror is found from geometry: two joints belong together where the anchor of one, with y reversed, is that of the
other, and their axes agree. Frames: base link (x forward, y left, z up), all joints at zero.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from surefoot.engines.mjcf import named_spec
from surefoot.errors import EngineError

_GRAVITY = 9.81
_GAIN = 13.0
"""N m/rad per kg and per m of the base's height, enough to stand on bent knees; the Go1 has 9.9."""
_DAMPING_SHARE = 0.02
"""s, damping over stiffness; the Go1 has 0.014."""
_SPEED = 20.0
"""rad/s, where the file says nothing; MJCF has no word for it."""
_NEAR_LIMIT = 0.05
"""Share of a joint's range within which a pose is no pose to stand in."""


@dataclass
class Draft:
    """A robot definition, with what a person has to look at before believing it."""

    plain: dict[str, Any]
    """The robot section without name, source and assets."""
    mass: float
    """kg."""
    guessed: list[str] = field(default_factory=list[str])
    """What the file does not say, in sentences."""

    @property
    def facts(self) -> str:
        """Mass, height, joints and feet, to compare with the data sheet."""
        lines = [f"mass {self.mass:.4g} kg, base {self.plain['base_height']:.3g} m over the ground in the default pose"]
        width = max(len(joint["name"]) for joint in self.plain["joints"])
        for joint in self.plain["joints"]:
            low, high = joint["limits"]
            lines.append(
                f"  {joint['name']:<{width}}  {joint['default_pos']:>6.3g} rad in [{low:.3g}, {high:.3g}], "
                f"{joint['effort_limit']:.4g} N m, mirrors {joint['mirror']} ({joint['mirror_sign']:+d})"
            )
        lines += [f"  foot {foot['name']} on {foot['body']}: {', '.join(foot['geoms'])}" for foot in self.plain["feet"]]
        return "\n".join([*lines, *(f"guessed: {text}" for text in self.guessed)])


def draft_robot(path: Path) -> Draft:
    """Read an MJCF file.

    Raises:
        EngineError: It cannot be read, has no free base, no four feet, or is not symmetric.
    """
    model = _compiled(named_spec(path), path)
    raw = _compiled(mujoco.MjSpec.from_file(str(path)), path)  # with the actuators and key frames that training drops
    base = _base(model, path)
    draft = Draft({}, float(model.body_subtreemass[base]))
    joints = [index for index in range(model.njnt) if model.jnt_type[index] != mujoco.mjtJoint.mjJNT_FREE]
    mirrors = _mirrors(model, joints, path)
    limits = _limits(model, joints, mirrors, draft)
    pose = _pose(model, raw, joints, mirrors, limits, draft)
    data = _posed(model, joints, pose)
    feet = _feet(model, data, base, path)
    lowest = min(_bottom(model, data, geom)[0] for geom, _ in feet)
    order = sorted(feet, key=lambda foot: _leg_order(data, foot[0]))
    efforts = _efforts(raw, model, joints, draft)
    gain = float(f"{_GAIN * draft.mass * -lowest:.2g}")
    draft.guessed.append(f"stiffness {gain:g} N m/rad and damping from mass and height; velocity_limit")
    names = {index: model.joint(index).name for index in joints}
    feet_geoms = {geom for geom, _ in feet}
    draft.plain = {
        "base_body": model.body(base).name,
        "base_height": round(-lowest, 4),
        "imu_site": _imu(model, base),
        "soft_limit_factor": 0.9,
        "joints": [
            {
                "name": names[index],
                "default_pos": pose[index],
                "limits": list(limits[index]),
                "stiffness": gain,
                "damping": float(f"{_DAMPING_SHARE * gain:.2g}"),
                "effort_limit": efforts[index],
                "velocity_limit": _SPEED,
                "armature": round(float(model.dof_armature[model.jnt_dofadr[index]]), 6),
                "friction": round(float(model.dof_frictionloss[model.jnt_dofadr[index]]), 4),
                "mirror": names[mirrors[index][0]],
                "mirror_sign": mirrors[index][1],
            }
            for index in joints
        ],
        "feet": _foot_entries(model, data, order, path),
        "base_geoms": _named(model, data, lambda geom: _welded_to(model, geom) == base),
        "limb_geoms": _named(model, data, lambda geom: _welded_to(model, geom) != base and geom not in feet_geoms),
    }
    return draft


def _compiled(spec: mujoco.MjSpec, path: Path) -> mujoco.MjModel:
    try:
        return spec.compile()
    except ValueError as error:
        raise EngineError(f"{path}: MuJoCo cannot compile it ({' '.join(str(error).split())}).") from None


def _base(model: mujoco.MjModel, path: Path) -> int:
    free = [index for index in range(model.njnt) if model.jnt_type[index] == mujoco.mjtJoint.mjJNT_FREE]
    if len(free) != 1 or model.body(int(model.jnt_bodyid[free[0]])).parentid[0] != 0:
        raise EngineError(
            f"{path}: expected one body with a free joint, directly in worldbody: add <freejoint/> to it."
        )
    return int(model.jnt_bodyid[free[0]])


def _posed(model: mujoco.MjModel, joints: list[int], pose: dict[int, float]) -> mujoco.MjData:
    """The base at the origin, upright, the joints in a pose."""
    data = mujoco.MjData(model)
    data.qpos[:7] = (0, 0, 0, 1, 0, 0, 0)
    for index in joints:
        data.qpos[model.jnt_qposadr[index]] = pose[index]
    mujoco.mj_forward(model, data)
    return data


def _mirrors(model: mujoco.MjModel, joints: list[int], path: Path) -> dict[int, tuple[int, int]]:
    """For each joint the one on the other side, and the sign between their positions."""
    data = _posed(model, joints, dict.fromkeys(joints, 0.0))
    found: dict[int, tuple[int, int]] = {}
    for index in joints:
        anchor, axis = data.xanchor[index] * (1, -1, 1), data.xaxis[index] * (-1, 1, -1)

        def misfit(other: int, anchor: Any = anchor, axis: Any = axis) -> float:
            turned = 1.0 - abs(float(axis @ data.xaxis[other]))
            return float(np.linalg.norm(anchor - data.xanchor[other])) + turned

        other = min(joints, key=misfit)
        if misfit(other) > 0.03:
            raise EngineError(
                f"{path}: joint {model.joint(index).name!r} has no counterpart on the other side (the nearest is "
                f"{model.joint(other).name!r}). Networks here are mirror-symmetric; write the robot's file by hand."
            )
        found[index] = (other, 1 if float(axis @ data.xaxis[other]) > 0 else -1)
    for index, (other, _) in found.items():
        if found[other][0] != index:
            raise EngineError(f"{path}: mirroring joint {model.joint(index).name!r} twice does not give it back.")
    return found


def _limits(
    model: mujoco.MjModel, joints: list[int], mirrors: dict[int, tuple[int, int]], draft: Draft
) -> dict[int, tuple[float, float]]:
    """rad; of a pair that differs, what both sides can do."""
    out: dict[int, tuple[float, float]] = {}
    uneven: list[str] = []
    for index in joints:
        other, sign = mirrors[index]
        low, high = _range(model, index)
        there = sorted(sign * bound for bound in _range(model, other))
        if max(abs(low - there[0]), abs(high - there[1])) > 1e-4:
            uneven.append(model.joint(index).name)
        out[index] = (round(max(low, there[0]), 6) + 0.0, round(min(high, there[1]), 6) + 0.0)
    if uneven:
        draft.guessed.append(f"limits of {', '.join(uneven)}: left and right differ; taken is what both can do")
    return out


def _range(model: mujoco.MjModel, joint: int) -> tuple[float, float]:
    if not model.jnt_limited[joint]:
        return -math.pi, math.pi
    return float(model.jnt_range[joint][0]), float(model.jnt_range[joint][1])


def _pose(
    model: mujoco.MjModel,
    raw: mujoco.MjModel,
    joints: list[int],
    mirrors: dict[int, tuple[int, int]],
    limits: dict[int, tuple[float, float]],
    draft: Draft,
) -> dict[int, float]:
    """rad; the file's first key frame where one can stand in it, otherwise bent knees."""
    if raw.nkey:
        pose = {index: float(raw.key_qpos[0][raw.joint(model.joint(index).name).qposadr[0]]) for index in joints}
        problem = next((index for index in joints if _is_near_limit(pose[index], limits[index])), None)
        if problem is None:
            return _symmetric(pose, mirrors)
        where = f"{model.joint(problem).name} is at its limit in key frame {raw.key(0).name!r}"
    else:
        where = "the file has no key frame"
    draft.guessed.append(f"default_pos: {where}, so knees are bent by 1.5 rad and hips by half of it")
    return _symmetric(_bent(model, joints, limits), mirrors)


def _is_near_limit(value: float, limits: tuple[float, float]) -> bool:
    margin = _NEAR_LIMIT * (limits[1] - limits[0])
    return not limits[0] + margin <= value <= limits[1] - margin


def _bent(model: mujoco.MjModel, joints: list[int], limits: dict[int, tuple[float, float]]) -> dict[int, float]:
    """Of each leg's last two joints about one axis: the knee bent, the hip against it, so that the foot stays below."""
    pose = {index: min(max(0.0, limits[index][0]), limits[index][1]) for index in joints}
    on_body = {int(model.jnt_bodyid[index]): index for index in joints}
    for index in joints:
        parent = on_body.get(int(model.body_parentid[model.jnt_bodyid[index]]))
        if parent is None or any(on_body.get(int(model.body_parentid[model.jnt_bodyid[o]])) == index for o in joints):
            continue
        low, high = limits[index]
        knee = min(max(-1.5 if abs(low) >= abs(high) else 1.5, low), high)
        pose[index], pose[parent] = knee, min(max(-0.5 * knee, limits[parent][0]), limits[parent][1])
    return pose


def _symmetric(pose: dict[int, float], mirrors: dict[int, tuple[int, int]]) -> dict[int, float]:
    return {index: round(0.5 * (pose[index] + sign * pose[other]), 4) + 0.0 for index, (other, sign) in mirrors.items()}


def _bottom(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> tuple[float, float]:
    """m, world: height of a geometry's lowest point, and how far that lies below its middle."""
    down: NDArray[np.float64] = data.geom_xmat[geom].reshape(3, 3).T @ np.array([0.0, 0.0, -1.0])
    kind, size = model.geom_type[geom], model.geom_size[geom]
    middle = float(data.geom_xpos[geom][2])
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        reach = float(size[0])
    elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        reach = float(size[0] + size[1] * abs(down[2]))
    elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        reach = float(size[0] * math.hypot(down[0], down[1]) + size[1] * abs(down[2]))
    else:  # a box, or what surrounds a mesh
        half, centre = model.geom_aabb[geom][3:], model.geom_aabb[geom][:3]
        reach = float(np.abs(down) @ half + down @ centre)
    return middle - reach, reach


def _collides(model: mujoco.MjModel, geom: int) -> bool:
    return bool(model.geom_contype[geom] or model.geom_conaffinity[geom])


def _feet(model: mujoco.MjModel, data: mujoco.MjData, base: int, path: Path) -> list[tuple[int, int]]:
    """For each leg its lowest geometry, and the body that this is on."""
    legs: dict[int, list[int]] = {}
    for geom in range(model.ngeom):
        leg = int(model.geom_bodyid[geom])
        while model.body_parentid[leg] not in (0, base):
            leg = int(model.body_parentid[leg])
        if _collides(model, geom) and leg != base and model.body_parentid[leg] == base:
            legs.setdefault(leg, []).append(geom)
    lowest = [min(geoms, key=lambda geom: _bottom(model, data, geom)[0]) for geoms in legs.values()]
    ground = min((_bottom(model, data, geom)[0] for geom in lowest), default=0.0)
    feet = [geom for geom in lowest if _bottom(model, data, geom)[0] < ground + 0.1 * abs(ground)]
    if len(feet) != 4:
        raise EngineError(
            f"{path}: expected four legs that reach the ground in the default pose, got {len(feet)}. This draft is for "
            "quadrupeds; of a robot with two legs manifests/robot/unitree_g1.yaml is one to begin with."
        )
    return [(geom, int(model.geom_bodyid[geom])) for geom in feet]


def _leg_order(data: mujoco.MjData, geom: int) -> tuple[bool, bool]:
    """Front before rear, right before left."""
    x, y, _ = data.geom_xpos[geom]
    return x < 0, y > 0


def _foot_entries(
    model: mujoco.MjModel, data: mujoco.MjData, feet: list[tuple[int, int]], path: Path
) -> list[dict[str, Any]]:
    names = ("FR", "FL", "RR", "RL")
    if [_leg_order(data, geom) for geom, _ in feet] != [(False, False), (False, True), (True, False), (True, True)]:
        raise EngineError(f"{path}: expected a foot on each side, in front and behind the base's origin.")
    entries: list[dict[str, Any]] = []
    for name, other, (geom, body) in zip(names, ("FL", "FR", "RL", "RR"), feet, strict=True):
        _, reach = _bottom(model, data, geom)
        radius = float(model.geom_size[geom][0]) if model.geom_type[geom] in _ROUND else min(0.02, reach)
        point = data.geom_xpos[geom] + (0, 0, radius - reach)  # from here the sole is a radius below
        offset = data.xmat[body].reshape(3, 3).T @ (point - data.xpos[body])
        entries.append(
            {
                "name": name,
                "body": model.body(body).name,
                "offset": [round(float(number), 4) + 0.0 for number in offset],
                "radius": round(radius, 4),
                "geoms": [model.geom(geom).name],
                "mirror": other,
            }
        )
    return entries


_ROUND = (mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CAPSULE)


def _welded_to(model: mujoco.MjModel, geom: int) -> int:
    """The body that moves a geometry: its own, or the one that this is fixed to."""
    body = int(model.geom_bodyid[geom])
    while model.body_jntnum[body] == 0 and body:
        body = int(model.body_parentid[body])
    return body


def _named(model: mujoco.MjModel, data: mujoco.MjData, belongs: Any) -> list[str]:
    return [model.geom(geom).name for geom in range(model.ngeom) if _collides(model, geom) and belongs(geom)]


def _imu(model: mujoco.MjModel, base: int) -> str:
    sites = [model.site(index).name for index in range(model.nsite) if model.site_bodyid[index] == base]
    return next((name for name in sites if "imu" in name.lower()), "imu")


def _efforts(raw: mujoco.MjModel, model: mujoco.MjModel, joints: list[int], draft: Draft) -> dict[int, float]:
    """N m: what the actuator or the joint is limited to, or a quarter of the weight at 0.25 m."""
    known: dict[str, float] = {}
    for index in range(raw.nu):
        joint = raw.joint(int(raw.actuator_trnid[index][0])).name
        gear = abs(float(raw.actuator_gear[index][0]))
        if raw.actuator_forcelimited[index]:
            known[joint] = gear * float(raw.actuator_forcerange[index][1])
        elif raw.actuator_ctrllimited[index] and raw.actuator_biastype[index] == mujoco.mjtBias.mjBIAS_NONE:
            known[joint] = gear * float(raw.actuator_gainprm[index][0]) * float(raw.actuator_ctrlrange[index][1])
    out: dict[int, float] = {}
    unlimited: list[str] = []
    for index in joints:
        name = model.joint(index).name
        if name not in known and model.jnt_actfrclimited[index]:
            known[name] = float(model.jnt_actfrcrange[index][1])
        if not known.get(name, 0.0) > 0:
            known[name] = float(f"{draft.mass * _GRAVITY * 0.25:.2g}")
            unlimited.append(name)
        out[index] = round(known[name], 4)
    if unlimited:
        draft.guessed.append(f"effort_limit of {', '.join(unlimited)}: the file limits no torque; taken from the mass")
    return out
