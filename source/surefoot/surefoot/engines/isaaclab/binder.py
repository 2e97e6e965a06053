"""From a manifest to Isaac Lab's environment configuration, with Isaac Lab's own managers."""

from pathlib import Path
from typing import Any

from isaaclab.actuators import ImplicitActuatorCfg
from isaaclab.assets import ArticulationCfg, AssetBaseCfg
from isaaclab.envs import ManagerBasedRLEnvCfg
from isaaclab.managers import (
    ActionTermCfg,
    CommandTermCfg,
    EventTermCfg,
    ObservationGroupCfg,
    ObservationTermCfg,
    RewardTermCfg,
    TerminationTermCfg,
)
from isaaclab.scene import InteractiveSceneCfg
from isaaclab.sim import UsdFileCfg

from surefoot.engines.isaaclab.compat import configclass, contact_sensor_cfg, simulation_cfg
from surefoot.engines.isaaclab.compat.configs import largest_torque
from surefoot.engines.isaaclab.compat.parameters import MOTORS
from surefoot.engines.isaaclab.compat.point_contacts import POINTS_PER_BODY
from surefoot.engines.isaaclab.dc_motor import dc_motor_cfg
from surefoot.engines.isaaclab.robot_asset import robot_spawn
from surefoot.engines.isaaclab.robot_model import RobotModel
from surefoot.engines.isaaclab.terms import DelayedTerm, JointTargets, VelocityCommandTerm
from surefoot.engines.isaaclab.terrain import layout_of, rough_ground, terrain_cfg
from surefoot.engines.terms import observation_terms, reset_robot, reward_terms, termination_terms
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.robot import Joint
from surefoot.mdp.observation_layout import GroupName
from surefoot.randomization.conditions import Conditions

GROUND = "/World/ground"
PLANE, MESH = f"{GROUND}/plane", f"{GROUND}/terrain/mesh"
"""The geometry that is the ground: level or rough."""


@configclass
class SceneCfg(InteractiveSceneCfg):
    """The ground, the robot, and a contact sensor for each group of geometries that can touch the ground."""

    ground: Any = None
    robot: Any = None
    feet: Any = None
    base: Any = None
    limbs: Any = None


@configclass
class CommandsCfg:
    """The one command term; the ranges are in the manifest."""

    velocity: Any = None


@configclass
class ActionsCfg:
    """The one action term."""

    joint_pos: Any = None


def build_env_cfg(
    manifest: Manifest,
    model: RobotModel,
    usd_folder: Path,
    *,
    backend: str,
    device: str,
    num_envs: int,
    conditions: Conditions | None = None,
) -> ManagerBasedRLEnvCfg:
    """Everything that Isaac Lab needs to build the task; nothing in it is not in the manifest.

    Args:
        manifest: The experiment.
        model: The robot, for its bodies and geometries.
        usd_folder: Where `robot.usda` and `ground.usda` are.
        backend: Physics, one of `compat.BACKENDS`.
        device: `cpu` or `cuda:N`.
        num_envs: Environments.
        conditions: What an evaluation imposes, the ground among it.
    """
    task, simulation = manifest.task, manifest.simulation
    solver = {
        "solver": simulation.solver,
        "iterations": simulation.iterations,
        "ls_iterations": simulation.ls_iterations,
        "cone": simulation.cone,
        "impratio": simulation.impratio,
        "njmax": 300,
        "nconmax": 64,
    }
    cfg = ManagerBasedRLEnvCfg(
        decimation=simulation.decimation,
        episode_length_s=task.episode_length,
        seed=manifest.seed,
        scene=_scene(manifest, model, usd_folder, backend, num_envs, conditions),
        sim=simulation_cfg(
            backend, device=device, timestep=simulation.timestep, decimation=simulation.decimation, solver=solver
        ),
        observations={
            "actor": _observation_group(manifest, "actor"),
            "critic": _observation_group(manifest, "critic"),
        },
        actions=ActionsCfg(joint_pos=ActionTermCfg(class_type=JointTargets, asset_name="robot")),
        commands=CommandsCfg(
            velocity=CommandTermCfg(
                class_type=VelocityCommandTerm, resampling_time_range=task.commands.resampling_time, debug_vis=False
            )
        ),
        events={"reset_robot": EventTermCfg(func=reset_robot, mode="reset")},
        rewards={name: RewardTermCfg(func=func, weight=weight) for name, func, weight in reward_terms(manifest)},
        terminations={
            name: TerminationTermCfg(func=func, time_out=time_out)
            for name, func, time_out in termination_terms(manifest)
        },
        curriculum={},
    )
    return cfg


def _observation_group(manifest: Manifest, group_name: GroupName) -> ObservationGroupCfg:
    cfg = ObservationGroupCfg(enable_corruption=False, concatenate_terms=True)
    for name, func, term in observation_terms(manifest, group_name):
        entry = ObservationTermCfg(
            func=func if term.delay_steps[1] == 0 else DelayedTerm(func, term.delay_steps),
            clip=term.clip,
            scale=None if term.scale == 1.0 else term.scale,
            history_length=term.history if term.history > 1 else 0,
        )
        setattr(cfg, name, entry)  # Isaac Lab finds terms among the attributes, in this order
    return cfg


def _scene(
    manifest: Manifest,
    model: RobotModel,
    usd_folder: Path,
    backend: str,
    num_envs: int,
    conditions: Conditions | None,
) -> SceneCfg:
    source = rough_ground(manifest, conditions)
    groups = manifest.robot.contact_groups(manifest.simulation.contact_model)
    by_point = backend == "ovphysx" and bool(model.contacts) and tells_geometries_apart(manifest)
    if by_point:
        groups = {"feet": groups["feet"]}
    elif not model.contacts:  # one sensor for all bodies: two of the same bodies disturb each other on Newton
        groups = {"feet": ()}
    elif backend == "newton_mjwarp":  # for the force; whether anything touches is known without
        groups = {"feet": groups["feet"]}
    sensors = {
        group: contact_sensor_cfg(
            backend,
            [(model.body_of(geom), geom) for geom in geoms],
            PLANE if source is None else MESH,
            points=POINTS_PER_BODY if by_point else 0,
        )
        for group, geoms in groups.items()
    }
    return SceneCfg(
        num_envs=num_envs,
        env_spacing=manifest.task.terrain.env_spacing,
        ground=_plane(usd_folder) if source is None else terrain_cfg(source, GROUND),
        robot=_robot(manifest, usd_folder, highest=0.0 if source is None else layout_of(source).highest),
        **sensors,
    )


def tells_geometries_apart(manifest: Manifest) -> bool:
    """Whether a contact model needs more than the force on each body: several groups on one, or self-collision."""
    contacts = manifest.robot.contact_models[manifest.simulation.contact_model]
    return "limbs" in contacts.collide or contacts.self_collision


def _plane(usd_folder: Path) -> AssetBaseCfg:
    return AssetBaseCfg(
        prim_path=GROUND, spawn=UsdFileCfg(usd_path=str(usd_folder / "ground.usda")), collision_group=-1
    )


def _robot(manifest: Manifest, usd_folder: Path, highest: float) -> ArticulationCfg:
    """Before the first reset robots are somewhere over the ground, whose highest point is given, m."""
    robot = manifest.robot
    joints = robot.joints
    return ArticulationCfg(
        prim_path="{ENV_REGEX_NS}/Robot",
        spawn=robot_spawn(manifest, usd_folder),
        init_state=ArticulationCfg.InitialStateCfg(
            pos=(0.0, 0.0, robot.base_height + highest),
            joint_pos={joint.name: joint.default_pos for joint in joints},
            joint_vel={".*": 0.0},
        ),
        soft_joint_pos_limit_factor=robot.soft_limit_factor,
        actuators={MOTORS: dc_motor_cfg(joints) if robot.motors == "dc_motor" else _implicit_cfg(joints)},
    )


def _implicit_cfg(joints: tuple[Joint, ...]) -> ImplicitActuatorCfg:
    return ImplicitActuatorCfg(
        joint_names_expr=[".*"],
        stiffness={joint.name: joint.stiffness for joint in joints},
        damping={joint.name: joint.damping for joint in joints},
        **largest_torque({joint.name: joint.effort_limit for joint in joints}),
        armature={joint.name: joint.armature for joint in joints},
        friction={joint.name: joint.friction for joint in joints},
        dynamic_friction={joint.name: joint.friction for joint in joints},
    )
