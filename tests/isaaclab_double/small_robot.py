"""A stage with a robot of round numbers in each of some environments: a box on two legs with hips and knees.

Masses: box 4 kg, thighs 1 kg, shins 0.5 kg. The box's centre of mass is 0.1 m before its origin. Feet are spheres of
5 cm at the ends of straight legs, 0.6 m below the hips.
"""

from pxr import Gf, Usd, UsdGeom, UsdPhysics, UsdShade

STIFFNESS, DAMPING, LIMIT = 30.0, 2.0, 12.0
"""N m/rad, N m s/rad, N m."""
FRICTION = 0.7
MASSES = {"box": 4.0, "left_thigh": 1.0, "right_thigh": 1.0, "left_shin": 0.5, "right_shin": 0.5}
DEG = 57.29577951308232


def new_stage(num_envs: int = 2, gravity: float = 9.81, height: float = 0.65) -> Usd.Stage:
    """The robots stand 4 m apart, the ground is at z = 0; at 0.65 m the feet touch it."""
    stage = Usd.Stage.CreateInMemory()
    scene = UsdPhysics.Scene.Define(stage, "/physicsScene")
    scene.CreateGravityDirectionAttr(Gf.Vec3f(0, 0, -1))
    scene.CreateGravityMagnitudeAttr(gravity)
    UsdPhysics.CollisionAPI.Apply(stage.DefinePrim("/World/ground", "Plane"))
    for env in range(num_envs):
        _robot(stage, f"/World/envs/env_{env}/Robot", Gf.Vec3d(4.0 * env, 0, height))
    return stage


def _robot(stage: Usd.Stage, path: str, place: Gf.Vec3d) -> None:
    UsdGeom.Xform.Define(stage, path).AddTranslateOp().Set(place)
    box = _body(stage, path, "box", Gf.Vec3d(0, 0, 0), com=Gf.Vec3f(0.1, 0, 0))
    UsdPhysics.ArticulationRootAPI.Apply(box)
    for side, y in (("right", -0.5), ("left", 0.5)):  # not by name: the order of links is the double's
        _body(stage, path, f"{side}_thigh", Gf.Vec3d(0, y, 0))
        _body(stage, path, f"{side}_shin", Gf.Vec3d(0, y, -0.3))
        foot = UsdGeom.Sphere.Define(stage, f"{path}/{side}_shin/foot")
        foot.CreateRadiusAttr(0.05)
        foot.AddTranslateOp().Set(Gf.Vec3d(0, 0, -0.3))
        UsdPhysics.CollisionAPI.Apply(foot.GetPrim())
        _bind(stage, f"{path}/material", foot.GetPrim())
        _hinge(stage, path, f"{side}_hip", "box", f"{side}_thigh", Gf.Vec3f(0, y, 0))
        _hinge(stage, path, f"{side}_knee", f"{side}_thigh", f"{side}_shin", Gf.Vec3f(0, 0, -0.3))


def _body(stage: Usd.Stage, path: str, name: str, place: Gf.Vec3d, com: Gf.Vec3f | None = None) -> Usd.Prim:
    body = UsdGeom.Xform.Define(stage, f"{path}/{name}")
    body.AddTranslateOp().Set(place)
    UsdPhysics.RigidBodyAPI.Apply(body.GetPrim())
    mass = UsdPhysics.MassAPI.Apply(body.GetPrim())
    mass.CreateMassAttr(MASSES[name])
    mass.CreateCenterOfMassAttr(com or Gf.Vec3f(0, 0, 0))
    mass.CreateDiagonalInertiaAttr(Gf.Vec3f(0.02, 0.03, 0.04))
    mass.CreatePrincipalAxesAttr(Gf.Quatf(1, 0, 0, 0))
    return body.GetPrim()


def _hinge(stage: Usd.Stage, path: str, name: str, parent: str, child: str, anchor: Gf.Vec3f) -> None:
    joint = UsdPhysics.RevoluteJoint.Define(stage, f"{path}/joints/{name}")
    joint.CreateBody0Rel().SetTargets([f"{path}/{parent}"])
    joint.CreateBody1Rel().SetTargets([f"{path}/{child}"])
    joint.CreateAxisAttr("Y")
    joint.CreateLocalPos0Attr(anchor)
    joint.CreateLocalRot0Attr(Gf.Quatf(1, 0, 0, 0))
    joint.CreateLocalPos1Attr(Gf.Vec3f(0, 0, 0))
    joint.CreateLocalRot1Attr(Gf.Quatf(1, 0, 0, 0))
    joint.CreateLowerLimitAttr(-90.0)
    joint.CreateUpperLimitAttr(90.0)
    drive = UsdPhysics.DriveAPI.Apply(joint.GetPrim(), "angular")
    drive.CreateStiffnessAttr(STIFFNESS / DEG)
    drive.CreateDampingAttr(DAMPING / DEG)
    drive.CreateMaxForceAttr(LIMIT)


def _bind(stage: Usd.Stage, path: str, prim: Usd.Prim) -> None:
    material = UsdShade.Material.Define(stage, path)
    UsdPhysics.MaterialAPI.Apply(material.GetPrim()).CreateStaticFrictionAttr(FRICTION)
    UsdShade.MaterialBindingAPI.Apply(prim).Bind(material, UsdShade.Tokens.weakerThanDescendants, "physics")
