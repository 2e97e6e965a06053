"""The files that the stock Go1 tasks fetch from NVIDIA's asset server, as far as the double reads them.

The robot has this project's masses, joints and geometries, with a link for each foot, as Isaac's has.
"""

import tempfile
from pathlib import Path

import torch
from pxr import Gf, Usd, UsdGeom, UsdPhysics, UsdShade

from surefoot.engines.isaaclab.robot_model import load_robot_model
from surefoot.engines.isaaclab.usd_file import write_robot
from surefoot.manifest.robot import Robot

FOOT_MASS = 0.06
"""kg, taken from nothing: the robot becomes so much heavier."""


class ActuatorNet(torch.nn.Module):
    """A PD law where Isaac Lab has a network: columns are position errors, then velocities, the present one first."""

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        return -20.0 * history[:, 0:1] - 0.5 * history[:, 3:4]


def fill(root: Path, robot: Robot) -> None:
    """Write what `Isaac-Velocity-Flat-Unitree-Go1-v0` asks for."""
    isaac, lab = root / "Isaac", root / "Isaac" / "IsaacLab"
    _ground(isaac / "Environments" / "Grid" / "default_environment.usd")
    for name in ("arrow_x", "frame_prim"):
        stage = _new_stage(isaac / "Props" / "UIElements" / f"{name}.usd", "/marker")
        UsdGeom.Cone.Define(stage, "/marker/cone")
        stage.Save()
    _go1(lab / "Robots" / "Unitree" / "Go1" / "go1.usd", robot)
    network = lab / "ActuatorNets" / "Unitree" / "unitree_go1.pt"
    network.parent.mkdir(parents=True)
    torch.jit.script(ActuatorNet()).save(str(network))


def _new_stage(path: Path, default: str) -> Usd.Stage:
    path.parent.mkdir(parents=True, exist_ok=True)
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, "Z")
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, default).GetPrim())
    return stage


def _ground(path: Path) -> None:
    stage = _new_stage(path, "/World")
    UsdGeom.Xform.Define(stage, "/World/Environment").AddScaleOp().Set(Gf.Vec3d(1, 1, 1))
    UsdPhysics.CollisionAPI.Apply(stage.DefinePrim("/World/GroundPlane/CollisionPlane", "Plane"))
    UsdShade.Material.Define(stage, "/World/Looks/theGrid")
    UsdShade.Shader.Define(stage, "/World/Looks/theGrid/Shader")
    stage.Save()


def _go1(path: Path, robot: Robot) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "robot.usda"
        model = load_robot_model(robot, "lean")
        write_robot(source, robot, model)
        stage = Usd.Stage.Open(str(source))
        for body, offset in zip(model.foot_bodies, model.foot_offsets, strict=True):
            _foot_link(stage, body, offset)
        path.parent.mkdir(parents=True)
        stage.Export(str(path))


def _foot_link(stage: Usd.Stage, calf: str, offset: tuple[float, float, float]) -> None:
    """Move the geometry at the end of a calf to a body of its own, fixed to the calf."""
    old = next(prim for prim in Usd.PrimRange(stage.GetPrimAtPath(f"/robot/{calf}")) if prim.IsA(UsdGeom.Sphere))
    radius = UsdGeom.Sphere(old).GetRadiusAttr().Get()
    calf_pose = UsdGeom.Xformable(stage.GetPrimAtPath(f"/robot/{calf}")).GetLocalTransformation()
    stage.RemovePrim(old.GetPath())
    name = calf.replace("calf", "foot")
    foot = UsdGeom.Xform.Define(stage, f"/robot/{name}")
    foot.AddTranslateOp().Set(calf_pose.Transform(Gf.Vec3d(*offset)))
    foot.AddOrientOp(UsdGeom.XformOp.PrecisionDouble).Set(calf_pose.ExtractRotationQuat())
    UsdPhysics.RigidBodyAPI.Apply(foot.GetPrim())
    mass = UsdPhysics.MassAPI.Apply(foot.GetPrim())
    mass.CreateMassAttr(FOOT_MASS)
    mass.CreateCenterOfMassAttr(Gf.Vec3f(0, 0, 0))
    mass.CreateDiagonalInertiaAttr(Gf.Vec3f(1e-5, 1e-5, 1e-5))
    mass.CreatePrincipalAxesAttr(Gf.Quatf(1, 0, 0, 0))
    sphere = UsdGeom.Sphere.Define(stage, f"/robot/{name}/sphere")
    sphere.CreateRadiusAttr(radius)
    UsdPhysics.CollisionAPI.Apply(sphere.GetPrim())
    joint = UsdPhysics.FixedJoint.Define(stage, f"/robot/joints/{name}_fixed")
    joint.CreateBody0Rel().SetTargets([f"/robot/{calf}"])
    joint.CreateBody1Rel().SetTargets([f"/robot/{name}"])
    joint.CreateLocalPos0Attr(Gf.Vec3f(*offset))
    joint.CreateLocalRot0Attr(Gf.Quatf(1, 0, 0, 0))
    joint.CreateLocalPos1Attr(Gf.Vec3f(0, 0, 0))
    joint.CreateLocalRot1Attr(Gf.Quatf(1, 0, 0, 0))
