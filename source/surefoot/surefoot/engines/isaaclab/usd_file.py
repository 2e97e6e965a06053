"""Writes the robot and the ground as USD: flat bodies, joints with drives, collision geometries by name.

Quaternions in this file are (w, x, y, z), as in MuJoCo and in USD's `Gf.Quat`.
"""

from pathlib import Path

import mujoco
import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade

from surefoot.engines.isaaclab.compat.physx_view import NUMBERED
from surefoot.engines.isaaclab.robot_model import ContactGeom, RobotModel
from surefoot.errors import EngineError
from surefoot.manifest.robot import Robot

ROOT = "/robot"
GROUND_FRICTION = 1e-4
"""Next to nothing; MuJoCo's solvers want 1e-5 at least."""


def write_robot(path: Path, robot: Robot, model: RobotModel) -> None:
    """Write one robot at its zero pose, base at the origin; limits, gains and armature are the manifest's."""
    stage, mj = _new_stage(path), model.mj
    assert mj is not None
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, ROOT).GetPrim())
    UsdGeom.Scope.Define(stage, f"{ROOT}/joints")
    data = mujoco.MjData(mj)
    data.qpos[:3] = 0.0
    mujoco.mj_kinematics(mj, data)
    for body in range(1, mj.nbody):
        name = mj.body(body).name
        prim = _place(UsdGeom.Xform.Define(stage, f"{ROOT}/{name}"), data.xpos[body], data.xquat[body])
        UsdPhysics.RigidBodyAPI.Apply(prim)
        mass = UsdPhysics.MassAPI.Apply(prim)
        mass.CreateMassAttr(float(mj.body_mass[body]))
        mass.CreateCenterOfMassAttr(Gf.Vec3f(*map(float, mj.body_ipos[body])))
        mass.CreateDiagonalInertiaAttr(Gf.Vec3f(*map(float, mj.body_inertia[body])))
        mass.CreatePrincipalAxesAttr(Gf.Quatf(*map(float, mj.body_iquat[body])))
        if name == robot.base_body:
            UsdPhysics.ArticulationRootAPI.Apply(prim)
        else:
            _joint(stage, robot, mj, body)
    for number, contact in enumerate(model.contacts, start=1):
        _collider(stage, mj, contact, number)
    for signature in mj.exclude_signature:  # two bodies that never collide, in the halves of a number
        one, other = (f"{ROOT}/{mj.body(int(body)).name}" for body in (signature >> 16, signature & 0xFFFF))
        pairs = UsdPhysics.FilteredPairsAPI.Apply(stage.GetPrimAtPath(one))
        pairs.CreateFilteredPairsRel().AddTarget(Sdf.Path(other))
    stage.Save()


def write_ground(path: Path) -> None:
    """Write an infinite plane of next to no friction: the larger coefficient of a pair counts, so the robot's does."""
    stage = _new_stage(path)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/ground").GetPrim())
    plane = UsdGeom.Plane.Define(stage, "/ground/plane")
    plane.CreateAxisAttr("Z")
    UsdPhysics.CollisionAPI.Apply(plane.GetPrim())
    _bind_material(stage, plane.GetPrim(), "/ground/material", (GROUND_FRICTION, GROUND_FRICTION, GROUND_FRICTION))
    stage.Save()


def _new_stage(path: Path) -> Usd.Stage:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, "Z")
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    return stage


def _place(xform: UsdGeom.Xformable, position: np.ndarray, quat: np.ndarray) -> Usd.Prim:
    xform.AddTranslateOp().Set(Gf.Vec3d(*map(float, position)))
    xform.AddOrientOp(UsdGeom.XformOp.PrecisionDouble).Set(Gf.Quatd(*map(float, quat)))
    return xform.GetPrim()


def _joint(stage: Usd.Stage, robot: Robot, mj: mujoco.MjModel, body: int) -> None:
    """A hinge about the x-axis of its own frame, which is turned so that x lies along the MJCF's axis."""
    index = int(mj.body_jntadr[body])
    if mj.body_jntnum[body] != 1 or mj.jnt_type[index] != mujoco.mjtJoint.mjJNT_HINGE:
        raise EngineError(f"Body {mj.body(body).name!r}: expected one hinge joint; other joints have no USD writer.")
    name = mj.joint(index).name
    joint = next((joint for joint in robot.joints if joint.name == name), None)
    if joint is None:
        raise EngineError(f"robot.joints has no {name!r}, which the MJCF has.")
    parent, turn = mj.body(int(mj.body_parentid[body])).name, _turn_x_to(mj.jnt_axis[index])
    anchor, in_parent, frame = np.zeros(3), np.zeros(3), np.zeros(4)
    anchor[:] = mj.jnt_pos[index]
    mujoco.mju_rotVecQuat(in_parent, anchor, mj.body_quat[body])
    mujoco.mju_mulQuat(frame, mj.body_quat[body], turn)
    usd = UsdPhysics.RevoluteJoint.Define(stage, f"{ROOT}/joints/{name}")
    usd.CreateBody0Rel().SetTargets([Sdf.Path(f"{ROOT}/{parent}")])
    usd.CreateBody1Rel().SetTargets([Sdf.Path(f"{ROOT}/{mj.body(body).name}")])
    usd.CreateAxisAttr("X")
    usd.CreateLocalPos0Attr(Gf.Vec3f(*map(float, mj.body_pos[body] + in_parent)))
    usd.CreateLocalRot0Attr(Gf.Quatf(*map(float, frame)))
    usd.CreateLocalPos1Attr(Gf.Vec3f(*map(float, anchor)))
    usd.CreateLocalRot1Attr(Gf.Quatf(*map(float, turn)))
    usd.CreateLowerLimitAttr(float(np.rad2deg(joint.limits[0])))
    usd.CreateUpperLimitAttr(float(np.rad2deg(joint.limits[1])))
    drive = UsdPhysics.DriveAPI.Apply(usd.GetPrim(), "angular")
    drive.CreateTypeAttr("force")
    drive.CreateStiffnessAttr(float(np.deg2rad(joint.stiffness)))  # USD counts per degree
    drive.CreateDampingAttr(float(np.deg2rad(joint.damping)))
    drive.CreateMaxForceAttr(joint.effort_limit)


def _turn_x_to(axis: np.ndarray) -> np.ndarray:
    """The shortest rotation of the x-axis onto a unit axis."""
    cross, angle = np.cross([1.0, 0.0, 0.0], axis), float(np.arccos(np.clip(axis[0], -1.0, 1.0)))
    norm = np.linalg.norm(cross)
    quat = np.zeros(4)
    mujoco.mju_axisAngle2Quat(quat, cross / norm if norm > 0 else np.array([0.0, 0.0, 1.0]), angle)
    return quat


def _collider(stage: Usd.Stage, mj: mujoco.MjModel, contact: ContactGeom, number: int) -> None:
    index = int(mj.geom(contact.name).id)
    # A plain int: since MuJoCo 3.12 a NumPy integer is in no tuple of its enumeration's members.
    path, kind, size = f"{ROOT}/{contact.body}/{contact.name}", int(mj.geom_type[index]), mj.geom_size[index]
    scale = None
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        shape = UsdGeom.Sphere.Define(stage, path)
        shape.CreateRadiusAttr(float(size[0]))
    elif kind == mujoco.mjtGeom.mjGEOM_BOX:
        shape = UsdGeom.Cube.Define(stage, path)
        shape.CreateSizeAttr(2.0)
        scale = Gf.Vec3d(*map(float, size))
    elif kind in (mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_CYLINDER):
        shape_class = UsdGeom.Capsule if kind == mujoco.mjtGeom.mjGEOM_CAPSULE else UsdGeom.Cylinder
        shape = shape_class.Define(stage, path)
        shape.CreateRadiusAttr(float(size[0]))
        shape.CreateHeightAttr(2.0 * float(size[1]))
        shape.CreateAxisAttr("Z")
    else:
        raise EngineError(f"Geometry {contact.name!r}: expected a sphere, box, capsule or cylinder.")
    prim = _place(shape, mj.geom_pos[index], mj.geom_quat[index])
    if scale is not None:
        shape.AddScaleOp().Set(scale)
    UsdPhysics.CollisionAPI.Apply(prim)
    _mujoco_contact(prim, contact)
    _bind_material(stage, prim, f"{ROOT}/materials/{contact.name}", contact.friction, number * NUMBERED)


def _mujoco_contact(prim: Usd.Prim, contact: ContactGeom) -> None:
    """What only a MuJoCo solver reads; Newton takes the contact's time constant as stiffness and damping."""
    time, ratio = contact.solref
    prim.CreateAttribute("mjc:condim", Sdf.ValueTypeNames.Int).Set(contact.condim)
    prim.CreateAttribute("mjc:priority", Sdf.ValueTypeNames.Int).Set(contact.priority)
    prim.CreateAttribute("newton:contact_ke", Sdf.ValueTypeNames.Float).Set(1.0 / (time * ratio) ** 2)
    prim.CreateAttribute("newton:contact_kd", Sdf.ValueTypeNames.Float).Set(2.0 / time)


def _bind_material(
    stage: Usd.Stage, prim: Usd.Prim, path: str, friction: tuple[float, float, float], restitution: float = 0.0
) -> None:
    material = UsdShade.Material.Define(stage, path)
    api = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
    api.CreateStaticFrictionAttr(friction[0])
    api.CreateDynamicFrictionAttr(friction[0])
    api.CreateRestitutionAttr(restitution)
    for name, value in (("newton:torsionalFriction", friction[1]), ("newton:rollingFriction", friction[2])):
        material.GetPrim().CreateAttribute(name, Sdf.ValueTypeNames.Float).Set(value)
    material.GetPrim().AddAppliedSchema("PhysxMaterialAPI")  # without it PhysX reads neither mode, and takes the mean
    for name in ("physxMaterial:frictionCombineMode", "physxMaterial:restitutionCombineMode"):
        material.GetPrim().CreateAttribute(name, Sdf.ValueTypeNames.Token).Set("max")
    UsdShade.MaterialBindingAPI.Apply(prim).Bind(material, UsdShade.Tokens.weakerThanDescendants, "physics")
