"""Isaac Lab's own locomotion tasks without its asset server: robot, motors and ground from this project."""

from pathlib import Path
from typing import Any

from isaaclab.actuators import ImplicitActuatorCfg
from isaaclab.assets import AssetBaseCfg
from isaaclab.sim import UsdFileCfg

from surefoot.engines.isaaclab.binder import GROUND
from surefoot.engines.isaaclab.compat.configs import largest_torque
from surefoot.engines.isaaclab.make import write_usd
from surefoot.engines.isaaclab.robot_model import load_robot_model
from surefoot.manifest.robot import Robot


def without_asset_server(cfg: Any, robot: Robot, contact_model: str) -> Path:
    """Replace what an environment configuration would download; its terms and ranges stay.

    The motors become the robot definition's, in place of a network that the server holds, and the feet are the bodies
    that carry them: in the MJCF a foot is a geometry of the calf.

    Args:
        cfg: Of a stock task on flat ground, presets resolved.
        robot: Its robot.
        contact_model: What collides, one of `robot.contact_models`.

    Returns:
        Folder of the USD files.
    """
    model = load_robot_model(robot, contact_model)
    folder = write_usd(robot, model)
    cfg.scene.robot.spawn = UsdFileCfg(usd_path=str(folder / "robot.usda"), activate_contact_sensors=True)
    cfg.scene.robot.actuators = {
        "motors": ImplicitActuatorCfg(
            joint_names_expr=[".*"],
            stiffness={joint.name: joint.stiffness for joint in robot.joints},
            damping={joint.name: joint.damping for joint in robot.joints},
            **largest_torque({joint.name: joint.effort_limit for joint in robot.joints}),
            armature={joint.name: joint.armature for joint in robot.joints},
        )
    }
    cfg.scene.terrain = None
    cfg.scene.ground = AssetBaseCfg(
        prim_path=GROUND, spawn=UsdFileCfg(usd_path=str(folder / "ground.usda")), collision_group=-1
    )
    cfg.scene.sky_light = None
    cfg.commands.base_velocity.debug_vis = False
    cfg.rewards.feet_air_time.params["sensor_cfg"].body_names = list(model.foot_bodies)
    return folder
