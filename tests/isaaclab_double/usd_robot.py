"""The physics on a stage as a MuJoCo model: rigid bodies, joints, collision geometries, the ground.

Only what is on the stage counts, as for PhysX. Quaternions are (w, x, y, z).
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from pxr import Gf, Usd, UsdGeom, UsdPhysics, UsdShade

from isaaclab_double.terrain import add_height_field

FRICTION = 0.5
"""Of a geometry without a material, as PhysX has it."""

_FIRM = 1.0e9


@dataclass(frozen=True)
class Attachment:
    """A joint, or a fixed connection, from a parent body to a child."""

    parent: str
    child: str
    joint: UsdPhysics.Joint


def world_collider(prim: Usd.Prim) -> bool:
    """Is this something that belongs to no robot and can be stood on?"""
    if "/envs/" in str(prim.GetPath()) or not prim.HasAPI(UsdPhysics.CollisionAPI):
        return False
    return prim.GetTypeName() in ("Plane", "Mesh")


def read_robot(stage: Usd.Stage, root: Usd.Prim) -> mujoco.MjSpec:
    """A free-floating robot, by its articulation root.

    Raises:
        ValueError: Bodies that no joint connects, or whose poses contradict their joint; geometry that is not known.
    """
    asset = root.GetParent() if root.HasAPI(UsdPhysics.RigidBodyAPI) else root
    prims = list(Usd.PrimRange(asset))
    bodies = {prim.GetName(): prim for prim in prims if prim.HasAPI(UsdPhysics.RigidBodyAPI)}
    attachments = [_attachment(UsdPhysics.Joint(prim)) for prim in prims if prim.IsA(UsdPhysics.Joint)]
    children = {attachment.child: attachment for attachment in attachments}
    roots = sorted(bodies.keys() - children.keys())
    if len(roots) != 1:
        raise ValueError(f"{asset.GetPath()}: expected one body without a parent, found {roots}.")
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.compiler.autolimits = True
    base = spec.worldbody.add_body(name=roots[0])
    base.add_freejoint()
    pending = [(roots[0], base)]
    while pending:
        name, body = pending.pop()
        _inertia(bodies[name], body)
        _geometries(bodies[name], body)
        for attachment in attachments:
            if attachment.parent == name:
                _check_pose(bodies, attachment)
                pending.append((attachment.child, _child(spec, body, attachment)))
    return spec


def add_ground(spec: mujoco.MjSpec, prim: Usd.Prim) -> None:
    """A plane or a terrain; the robot's material decides, see README.md."""
    if prim.GetTypeName() == "Plane":
        ground = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    else:
        ground = add_height_field(spec, UsdGeom.Mesh(prim))
    ground.name, ground.contype, ground.conaffinity, ground.condim = "ground", 0, 1, 3


def _attachment(joint: UsdPhysics.Joint) -> Attachment:
    ends = [relation.GetTargets() for relation in (joint.GetBody0Rel(), joint.GetBody1Rel())]
    if not all(len(end) == 1 for end in ends):
        raise ValueError(f"{joint.GetPath()}: expected two bodies; other joints are not there.")
    return Attachment(ends[0][0].name, ends[1][0].name, joint)


def _frames(joint: UsdPhysics.Joint) -> tuple[Gf.Matrix4d, Gf.Matrix4d]:
    """The joint's frame in the parent and in the child."""

    def matrix(pos: Gf.Vec3f, rot: Gf.Quatf) -> Gf.Matrix4d:
        return Gf.Matrix4d(Gf.Rotation(Gf.Quatd(rot)), Gf.Vec3d(pos))

    return (
        matrix(joint.GetLocalPos0Attr().Get(), joint.GetLocalRot0Attr().Get()),
        matrix(joint.GetLocalPos1Attr().Get(), joint.GetLocalRot1Attr().Get()),
    )


def _child_in_parent(joint: UsdPhysics.Joint) -> Gf.Matrix4d:
    in_parent, in_child = _frames(joint)
    return in_child.GetInverse() * in_parent  # USD multiplies rows


def _check_pose(bodies: dict[str, Usd.Prim], attachment: Attachment) -> None:
    poses = UsdGeom.XformCache()
    seen, _ = poses.ComputeRelativeTransform(bodies[attachment.child], bodies[attachment.parent].GetParent())
    parent, _ = poses.ComputeRelativeTransform(bodies[attachment.parent], bodies[attachment.parent].GetParent())
    joined = _child_in_parent(attachment.joint) * parent
    if not np.allclose(np.array(seen), np.array(joined), atol=1e-4):
        raise ValueError(f"{attachment.joint.GetPath()}: body {attachment.child!r} is not where its joint has it.")


def _child(spec: mujoco.MjSpec, parent: mujoco.MjsBody, attachment: Attachment) -> mujoco.MjsBody:
    pose = Gf.Transform(_child_in_parent(attachment.joint))
    body = parent.add_body(name=attachment.child, pos=list(pose.GetTranslation()), quat=_quat(pose))
    if attachment.joint.GetPrim().IsA(UsdPhysics.RevoluteJoint):
        _hinge(spec, body, UsdPhysics.RevoluteJoint(attachment.joint))
    elif not attachment.joint.GetPrim().IsA(UsdPhysics.FixedJoint):
        raise ValueError(f"{attachment.joint.GetPath()}: {attachment.joint.GetPrim().GetTypeName()} is not there.")
    return body


def _hinge(spec: mujoco.MjSpec, body: mujoco.MjsBody, joint: UsdPhysics.RevoluteJoint) -> None:
    """A hinge and its drive: torque = stiffness * (target - q) - damping * qd + effort, limited, implicit in time."""
    name, (_, in_child) = joint.GetPrim().GetName(), _frames(joint)
    direction = {"X": Gf.Vec3d(1, 0, 0), "Y": Gf.Vec3d(0, 1, 0), "Z": Gf.Vec3d(0, 0, 1)}[joint.GetAxisAttr().Get()]
    body.add_joint(
        name=name,
        type=mujoco.mjtJoint.mjJNT_HINGE,
        pos=list(in_child.ExtractTranslation()),
        axis=list(in_child.TransformDir(direction)),
        range=np.deg2rad([joint.GetLowerLimitAttr().Get(), joint.GetUpperLimitAttr().Get()]).tolist(),
    )
    drive = UsdPhysics.DriveAPI(joint.GetPrim(), "angular")
    stiffness, damping, limit = 0.0, 0.0, _FIRM
    if drive:
        stiffness = float(np.rad2deg(drive.GetStiffnessAttr().Get()))  # USD counts per degree
        damping = float(np.rad2deg(drive.GetDampingAttr().Get()))
        limit = min(drive.GetMaxForceAttr().Get(), _FIRM)
    spec.add_actuator(
        name=name,
        target=name,
        trntype=mujoco.mjtTrn.mjTRN_JOINT,
        gaintype=mujoco.mjtGain.mjGAIN_FIXED,
        gainprm=[1.0] + [0.0] * 9,
        biastype=mujoco.mjtBias.mjBIAS_AFFINE,
        biasprm=[0.0, -stiffness, -damping] + [0.0] * 7,
        forcerange=[-limit, limit],
    )


def _inertia(prim: Usd.Prim, body: mujoco.MjsBody) -> None:
    mass = UsdPhysics.MassAPI(prim)
    body.mass, body.explicitinertial = mass.GetMassAttr().Get(), True
    body.ipos, body.inertia = list(mass.GetCenterOfMassAttr().Get()), list(mass.GetDiagonalInertiaAttr().Get())
    axes = mass.GetPrincipalAxesAttr().Get()
    body.iquat = [axes.GetReal(), *axes.GetImaginary()]


def _geometries(prim: Usd.Prim, body: mujoco.MjsBody) -> None:
    poses = UsdGeom.XformCache()
    for found in Usd.PrimRange(prim):
        if not found.HasAPI(UsdPhysics.CollisionAPI):
            continue
        matrix, _ = poses.ComputeRelativeTransform(found, prim)
        pose = Gf.Transform(matrix)
        kind, size = _shape(found, np.array(pose.GetScale()))
        body.add_geom(
            name=f"{body.name}/{found.GetName()}",
            type=kind,
            size=size,
            pos=list(pose.GetTranslation()),
            quat=_quat(pose),
            friction=[_material(found)[0], 0.005, 0.0001],
            userdata=[_material(found)[1]],
            contype=1,
            conaffinity=0,
            condim=3,
            priority=1,
        )


def _shape(prim: Usd.Prim, scale: np.ndarray) -> tuple[mujoco.mjtGeom, list[float]]:
    kind = prim.GetTypeName()
    if kind == "Sphere":
        return mujoco.mjtGeom.mjGEOM_SPHERE, [UsdGeom.Sphere(prim).GetRadiusAttr().Get(), 0.0, 0.0]
    if kind == "Cube":
        return mujoco.mjtGeom.mjGEOM_BOX, (0.5 * UsdGeom.Cube(prim).GetSizeAttr().Get() * scale).tolist()
    known = {"Capsule": (UsdGeom.Capsule, "mjGEOM_CAPSULE"), "Cylinder": (UsdGeom.Cylinder, "mjGEOM_CYLINDER")}
    if kind not in known:
        raise ValueError(f"{prim.GetPath()}: a collision geometry of type {kind!r} is not there.")
    shape = known[kind][0](prim)
    if shape.GetAxisAttr().Get() != "Z":
        raise ValueError(f"{prim.GetPath()}: expected axis Z.")
    half = 0.5 * shape.GetHeightAttr().Get()
    return getattr(mujoco.mjtGeom, known[kind][1]), [shape.GetRadiusAttr().Get(), half, 0.0]


def _material(prim: Usd.Prim) -> tuple[float, float]:
    """Friction and restitution."""
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")
    if not material or not material.GetPrim().HasAPI(UsdPhysics.MaterialAPI):
        return FRICTION, 0.0
    api = UsdPhysics.MaterialAPI(material.GetPrim())
    return float(api.GetStaticFrictionAttr().Get()), float(api.GetRestitutionAttr().Get())


def _quat(pose: Gf.Transform) -> list[float]:
    quat = pose.GetRotation().GetQuat()
    return [quat.GetReal(), *quat.GetImaginary()]
