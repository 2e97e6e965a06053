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
