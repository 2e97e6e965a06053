"""From a manifest to mjlab's environment configuration."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import mujoco
from mjlab.actuator import ActuatorCfg, BuiltinPositionActuatorCfg
from mjlab.entity import EntityArticulationInfoCfg, EntityCfg
from mjlab.envs import ManagerBasedRlEnvCfg
from mjlab.managers.action_manager import ActionTermCfg
from mjlab.managers.event_manager import EventTermCfg
from mjlab.managers.observation_manager import ObservationGroupCfg, ObservationTermCfg
from mjlab.managers.reward_manager import RewardTermCfg
from mjlab.managers.termination_manager import TerminationTermCfg
from mjlab.scene import SceneCfg
from mjlab.sensor import ContactMatch, ContactSensorCfg
from mjlab.sim import MujocoCfg, SimulationCfg
from mjlab.terrains import TerrainEntityCfg
from mjlab.viewer import ViewerConfig

from surefoot.engines.drawing.drawer import AZIMUTH, DISTANCE, ELEVATION
from surefoot.engines.mjcf import check_names, robot_spec
from surefoot.engines.mujoco.dc_motor import DcMotorCfg, integrator
from surefoot.engines.mujoco.robot_state import BASE, FEET, FOOT_POS, FOOT_VEL, LIMBS
from surefoot.engines.mujoco.robots import without_idle_geoms, without_visuals
from surefoot.engines.mujoco.terms import JointTargets, VelocityCommandTermCfg
from surefoot.engines.terms import observation_terms, reset_robot, reward_terms, termination_terms
from surefoot.errors import EngineError
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.robot import Robot
from surefoot.mdp.observation_layout import GroupName


@dataclass(kw_only=True)
class JointTargetsCfg(ActionTermCfg):
    """mjlab's place for the action term."""

    def build(self, env: Any) -> JointTargets:
        return JointTargets(self, env)


def build_env_cfg(manifest: Manifest, num_envs: int, visuals: bool = False) -> ManagerBasedRlEnvCfg:
    """Everything that mjlab needs to build the task; nothing in it is not in the manifest."""
    task, simulation = manifest.task, manifest.simulation
    return ManagerBasedRlEnvCfg(
        decimation=simulation.decimation,
        scene=SceneCfg(
            num_envs=num_envs,
            env_spacing=task.terrain.env_spacing,
            terrain=TerrainEntityCfg(terrain_type="plane", env_spacing=task.terrain.env_spacing),
            entities={"robot": _robot_cfg(manifest, visuals)},
            sensors=_contact_sensors(manifest),
            spec_fn=partial(_add_foot_sensors, manifest.robot),
            extent=2.0,
        ),
        observations={
            "actor": _observation_group(manifest, "actor"),
            "critic": _observation_group(manifest, "critic"),
        },
        actions={"joint_pos": JointTargetsCfg(entity_name="robot")},
        commands={"velocity": VelocityCommandTermCfg(resampling_time_range=task.commands.resampling_time)},
        events={
            "reset_robot": EventTermCfg(func=reset_robot, mode="reset"),
        },
        rewards={name: RewardTermCfg(func=func, weight=weight) for name, func, weight in reward_terms(manifest)},
        terminations={
            name: TerminationTermCfg(func=func, time_out=time_out)
            for name, func, time_out in termination_terms(manifest)
        },
        episode_length_s=task.episode_length,
        sim=SimulationCfg(
            nconmax=64,
            njmax=300,
            mujoco=MujocoCfg(
                timestep=simulation.timestep,
                integrator=integrator(manifest.robot),
                solver=simulation.solver,
                iterations=simulation.iterations,
                ls_iterations=simulation.ls_iterations,
                cone=simulation.cone,
                impratio=simulation.impratio,
            ),
        ),
        viewer=_viewer(manifest.robot),
    )


def _viewer(robot: Robot) -> ViewerConfig:
    return ViewerConfig(
        origin_type=ViewerConfig.OriginType.ASSET_BODY,
        entity_name="robot",
        body_name=robot.base_body,
        distance=DISTANCE,
        elevation=ELEVATION,
        azimuth=AZIMUTH,
    )


def _observation_group(manifest: Manifest, group_name: GroupName) -> ObservationGroupCfg:
    terms = {
        name: ObservationTermCfg(
            func=func,
            clip=term.clip,
            scale=None if term.scale == 1.0 else term.scale,
            delay_min_lag=term.delay_steps[0],
            delay_max_lag=term.delay_steps[1],
            history_length=term.history if term.history > 1 else 0,
        )
        for name, func, term in observation_terms(manifest, group_name)
    }
    return ObservationGroupCfg(terms=terms, enable_corruption=False)


def _robot_cfg(manifest: Manifest, visuals: bool) -> EntityCfg:
    robot = manifest.robot
    return EntityCfg(
        init_state=EntityCfg.InitialStateCfg(
            pos=(0.0, 0.0, robot.base_height),
            joint_pos={joint.name: joint.default_pos for joint in robot.joints},
            joint_vel={".*": 0.0},
        ),
        spec_fn=_spec_fn(robot, manifest.simulation.contact_model, visuals),
        articulation=EntityArticulationInfoCfg(actuators=_actuators(manifest)),
        sort_actuators=True,
    )


def _spec_fn(robot: Robot, contact_model: str, visuals: bool) -> Callable[[], mujoco.MjSpec]:
    mjcf = robot.assets.mujoco
    if mjcf is None:
        raise EngineError(
            f"robot.assets.mujoco: engine 'mujoco' needs an MJCF, robot {robot.name!r} has none. Use --engine isaaclab."
        )

    def build() -> mujoco.MjSpec:
        spec = robot_spec(mjcf)
        check_names(spec, robot)
        if not visuals:
            without_visuals(spec)
        for joint in robot.joints:
            spec.joint(joint.name).range = joint.limits
        for foot in robot.feet:
            spec.body(foot.body).add_site(name=foot_site(foot.name), pos=foot.offset)
        apply_contact_model(spec, robot, contact_model)
        return spec if visuals else without_idle_geoms(spec)

    return build


def foot_site(foot: str) -> str:
    """Name of the site at a foot's point."""
    return f"surefoot_{foot}"


def apply_contact_model(spec: mujoco.MjSpec, robot: Robot, contact_model: str) -> None:
    """Set which geometries collide with the ground (contype 1, conaffinity 1) and with each other."""
    contacts, groups = robot.contact_models[contact_model], robot.contact_groups(contact_model)
    feet = set(groups["feet"])
    colliding: set[str] = set().union(*groups.values())
    for geom in spec.geoms:
        if geom.name in feet:
            geom.condim = contacts.foot_condim
            geom.priority = 1
            geom.friction = contacts.foot_friction
        elif geom.name in colliding:
            geom.condim = 1
        elif geom.conaffinity and contacts.self_collision and geom.name not in contacts.ignore:
            geom.condim = 1  # not in any group (hips): collides with the robot itself and the ground
        else:
            geom.contype, geom.conaffinity = 0, 0
            continue
        # The ground has contype 1 and conaffinity 1. Robot geometries with contype 0 meet it, not each other.
        geom.contype, geom.conaffinity = (1 if contacts.self_collision else 0), 1
        geom.solref = contacts.solref


def _actuators(manifest: Manifest) -> tuple[ActuatorCfg, ...]:
    """DC motors, or one group of MuJoCo position actuators for each set of equal motors."""
    low, high = manifest.task.actions.delay_steps
    if manifest.robot.motors == "dc_motor":
        joints = {joint.name: joint for joint in manifest.robot.joints}
        return (DcMotorCfg(target_names_expr=tuple(joints), joints=joints, delay_min_lag=low, delay_max_lag=high),)
    groups: dict[tuple[float, float, float, float, float], list[str]] = {}
    for joint in manifest.robot.joints:
        key = (joint.stiffness, joint.damping, joint.effort_limit, joint.armature, joint.friction)
        groups.setdefault(key, []).append(joint.name)
    return tuple(
        BuiltinPositionActuatorCfg(
            target_names_expr=tuple(names),
            stiffness=stiffness,
            damping=damping,
            effort_limit=effort,
            armature=armature,
            frictionloss=friction,
            viscous_damping=0.0,
            delay_min_lag=low,
            delay_max_lag=high,
        )
        for (stiffness, damping, effort, armature, friction), names in groups.items()
    )


def _contact_sensors(manifest: Manifest) -> tuple[ContactSensorCfg, ...]:
    wanted = {
        "feet": (FEET, ("found", "force"), "netforce"),
        "base": (BASE, ("found",), "none"),
        "limbs": (LIMBS, ("found",), "none"),
    }
    return tuple(
        ContactSensorCfg(
            name=name,
            primary=ContactMatch(mode="geom", pattern=geoms, entity="robot"),
            secondary=ContactMatch(mode="body", pattern="terrain"),
            fields=fields,
            reduce=reduce,  # pyright: ignore[reportArgumentType]
        )
        for group, geoms in manifest.robot.contact_groups(manifest.simulation.contact_model).items()
        for name, fields, reduce in (wanted[group],)
    )


def _add_foot_sensors(robot: Robot, spec: mujoco.MjSpec) -> None:
    """World position and velocity of every foot."""
    for foot in robot.feet:
        for name, kind in (
            (FOOT_POS, mujoco.mjtSensor.mjSENS_FRAMEPOS),
            (FOOT_VEL, mujoco.mjtSensor.mjSENS_FRAMELINVEL),
        ):
            site = f"robot/{foot_site(foot.name)}"
            spec.add_sensor(name=f"{name}_{foot.name}", type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site)
