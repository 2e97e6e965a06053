"""Configuration classes that moved or changed their fields."""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any


def configclass(cls: type) -> Any:
    """Isaac Lab's decorator, which moved; in 3.0 `isaaclab.utils.configclass` is a module."""
    module = importlib.import_module("isaaclab.utils.configclass")
    return module.configclass(cls)


def simulation_cfg(backend: str, *, device: str, timestep: float, decimation: int, solver: dict[str, Any]) -> Any:
    """Isaac Lab's `SimulationCfg`.

    Args:
        backend: One of `BACKENDS`.
        device: `cpu` or `cuda:N`.
        timestep: s, one physics step.
        decimation: Physics steps in a control step; nothing is rendered in between.
        solver: Options of MuJoCo's solver. PhysX has none of them.
    """
    from isaaclab.sim import SimulationCfg

    cfg = SimulationCfg(device=device, dt=timestep, render_interval=decimation)
    if backend == "newton_mjwarp":
        from isaaclab_newton.physics import MJWarpSolverCfg, NewtonCfg

        cfg.physics = NewtonCfg(solver_cfg=MJWarpSolverCfg(integrator="implicitfast", **solver), num_substeps=1)
        cfg.use_newton_actuators = False  # they know neither DC motors nor targets that change between physics steps
    elif backend == "ovphysx":
        from isaaclab_ov.physics import OvPhysxCfg

        cfg.physics = OvPhysxCfg()
        cfg.use_newton_actuators = False
    elif importlib.util.find_spec("isaaclab_physx") is not None:
        from isaaclab_physx.physics import PhysxCfg

        cfg.physics = PhysxCfg()
        cfg.use_newton_actuators = False
    return cfg


def articulation_properties(self_collision: bool) -> Any:
    """For a spawner: whether the robot touches itself, and on PhysX that it never falls asleep.

    PhysX stops simulating what has nearly come to rest, and reports no contact of it: a robot that stands would lose
    the ground under its feet.
    """
    try:
        from isaaclab_physx.sim.schemas import PhysxArticulationCfg
    except ImportError:  # 2.3
        from isaaclab.sim import ArticulationRootPropertiesCfg

        return ArticulationRootPropertiesCfg(
            enabled_self_collisions=self_collision, sleep_threshold=0.0, stabilization_threshold=0.0
        )
    from isaaclab_newton.sim.schemas import NewtonArticulationCfg

    awake = {"sleep_threshold": 0.0, "stabilization_threshold": 0.0}
    return [
        NewtonArticulationCfg(self_collision_enabled=self_collision),
        PhysxArticulationCfg(enabled_self_collisions=self_collision, **awake),
    ]


def largest_torque(limits: dict[str, float]) -> dict[str, Any]:
    """The argument of an implicit actuator that the physics holds its torque to; 3.0 has renamed it. N m, by joint."""
    from isaaclab.actuators import ImplicitActuatorCfg

    fields = ImplicitActuatorCfg.__dataclass_fields__
    return {"joint_effort_limit" if "joint_effort_limit" in fields else "effort_limit_sim": limits}


def contact_sensor_cfg(backend: str, geoms: Sequence[tuple[str, str]], ground: str, points: int = 0) -> Any:
    """Contact of some geometries with the ground, or, on PhysX and without geometries, of all bodies with anything.

    Args:
        backend: One of `BACKENDS`.
        geoms: Body and geometry of each; empty where they are not known.
        ground: Path of the ground's geometry.
        points: On OvPhysX: contact points of a body to make room for, and contact with the ground alone; 0 for none.
    """
    if backend == "newton_mjwarp":
        from isaaclab_newton.sensors import ContactSensorCfg

        if not geoms:
            return ContactSensorCfg(prim_path="{ENV_REGEX_NS}/Robot/.*")
        return ContactSensorCfg(
            prim_path="{ENV_REGEX_NS}/Robot/.*",
            sensor_shape_prim_expr=[f"{{ENV_REGEX_NS}}/Robot/{body}/{geom}" for body, geom in geoms],
            filter_shape_prim_expr=[ground],
        )
    if backend == "ovphysx":
        from isaaclab_ov.sensors import ContactSensorCfg

        if points:
            return ContactSensorCfg(
                prim_path="{ENV_REGEX_NS}/Robot/.*",
                filter_prim_paths_expr=[ground],
                track_contact_points=True,
                max_contact_data_count_per_prim=points,
            )
    elif importlib.util.find_spec("isaaclab_physx") is not None:
        from isaaclab_physx.sensors import ContactSensorCfg
    else:
        from isaaclab.sensors import ContactSensorCfg
    return ContactSensorCfg(prim_path="{ENV_REGEX_NS}/Robot/.*")
