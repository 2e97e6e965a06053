"""Everything that differs between Isaac Lab 2.3 (PhysX) and 3.0 (Newton, PhysX), and nothing else.

Outside this module quaternions are (w, x, y, z), data are torch tensors, joints come in the manifest's order.

Axis letters: N environments, n environments written to, B bodies, J joints.
"""

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from surefoot.errors import EngineError, MissingExtra, did_you_mean, unknown_name

BACKENDS = {"2.3": ("isaacsim_physx",), "3.0": ("newton_mjwarp", "isaacsim_physx")}
"""Physics backends by version; the first one is the default. The names are those of Isaac Lab 3.0's presets."""


def isaaclab_version() -> str:
    """`2.3` or `3.0`, without importing Isaac Lab: on 2.3 nothing of it may be imported before the launch.

    Raises:
        MissingExtra: Not installed.
        EngineError: Another version.
    """
    if importlib.util.find_spec("isaaclab") is None:
        raise MissingExtra(
            "Engine 'isaaclab' needs Isaac Lab 3.0 or 2.3. Install 3.0 from its repository "
            "(https://github.com/isaac-sim/IsaacLab), or 2.3 on Python 3.11: pip install 'isaaclab>=2.3,<3'"
        )
    try:
        number = importlib.metadata.version("isaaclab")
    except importlib.metadata.PackageNotFoundError:  # on sys.path, not installed
        number = _number_in_tree()
    return version_family(number)


def version_family(number: str) -> str:
    """Family of a version of the package `isaaclab`: PyPI counts releases, the repository counts the extension.

    Raises:
        EngineError: Neither 2.3 nor 3.0.
    """
    found = re.match(r"(\d+)\.(\d+)", number)
    if found is not None:
        major, minor = int(found[1]), int(found[2])
        if (major, minor) == (2, 3) or (major == 0 and minor >= 47):
            return "2.3"
        if major >= 3:
            return "3.0"
    raise EngineError(
        f"Engine 'isaaclab' works with Isaac Lab 3.0 (package version 3.0 or newer) and 2.3 (2.3.x, or 0.47 and newer "
        f"from the repository); installed is {number!r}."
    )


def _number_in_tree() -> str:
    spec = importlib.util.find_spec("isaaclab")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        if importlib.util.find_spec("isaaclab_newton") is not None:
            return "3.0"
        if importlib.util.find_spec("isaacsim") is not None:
            return "2.3"
        return f"unknown, at {place}"
    return "unknown"


def physics_backend(version: str, name: str | None) -> str:
    """The backend to use; an unknown one is refused with the nearest name."""
    known = BACKENDS[version]
    if name is None:
        return known[0]
    if name not in known:
        raise unknown_name(f"Physics backend of Isaac Lab {version}", name, known)
    return name


def launch(version: str, backend: str, device: str) -> None:
    """Start Isaac Sim where the backend needs it; must come before any other import of Isaac Lab.

    Raises:
        EngineError: Isaac Sim is needed and not installed.
    """
    if backend == "newton_mjwarp":
        return
    if importlib.util.find_spec("isaacsim") is None:
        wanted = "Isaac Sim 5.1" if version == "2.3" else "Isaac Sim 6"
        way_out = "" if version == "2.3" else " Or use --engine isaaclab:newton_mjwarp, which runs without."
        raise EngineError(
            f"PhysX on Isaac Lab {version} needs {wanted}, which is not installed: pip install "
            f"'isaacsim[all,extscache]' --extra-index-url https://pypi.nvidia.com.{way_out}"
        )
    from isaaclab.app import AppLauncher

    global _app
    if _app is None:
        _app = AppLauncher(headless=True, device=device).app


_app: Any = None


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
    elif importlib.util.find_spec("isaaclab_physx") is not None:
        from isaaclab_physx.physics import PhysxCfg

        cfg.physics = PhysxCfg()
    return cfg


def contact_sensor_cfg(backend: str, geoms: Sequence[tuple[str, str]], ground: str) -> Any:
    """Contact of some geometries with the ground, or, on PhysX, of the bodies that carry them with anything.

    Args:
        backend: One of `BACKENDS`.
        geoms: Body and geometry of each.
        ground: Path of the ground's geometry.
    """
    if backend == "newton_mjwarp":
        from isaaclab_newton.sensors import ContactSensorCfg

        return ContactSensorCfg(
            prim_path="{ENV_REGEX_NS}/Robot/.*",
            sensor_shape_prim_expr=[f"{{ENV_REGEX_NS}}/Robot/{body}/{geom}" for body, geom in geoms],
            filter_shape_prim_expr=[ground],
        )
    if importlib.util.find_spec("isaaclab_physx") is not None:
        from isaaclab_physx.sensors import ContactSensorCfg
    else:
        from isaaclab.sensors import ContactSensorCfg
    return ContactSensorCfg(prim_path="{ENV_REGEX_NS}/Robot/.*")


def as_tensor(value: Any) -> Tensor:
    """Asset and sensor data as a tensor: 3.0 hands out `ProxyArray`, 2.3 tensors."""
    return value if isinstance(value, Tensor) else value.torch


def quat_from_isaac(quat: Tensor, version: str) -> Tensor:
    """To (w, x, y, z), from (x, y, z, w) on 3.0. Shape (..., 4)."""
    return quat if version == "2.3" else quat.roll(1, dims=-1)


def quat_to_isaac(quat: Tensor, version: str) -> Tensor:
    """From (w, x, y, z), to (x, y, z, w) on 3.0. Shape (..., 4)."""
    return quat if version == "2.3" else quat.roll(-1, dims=-1)


def sensor_columns(sensor: Any, names: Sequence[str]) -> list[int]:
    """Where bodies or geometries stand in a contact sensor's data."""
    known = list(sensor.sensor_names if hasattr(sensor, "sensor_names") else sensor.body_names)
    missing = [name for name in names if name not in known]
    if missing:
        raise EngineError(f"The contact sensor has no {', '.join(missing)}; it has {', '.join(known)}.")
    return [known.index(name) for name in names]


def contact_force(sensor: Any) -> Tensor:
    """N, world frame: force of the ground where the sensor tells it apart, of everything otherwise. Shape (N, B, 3)."""
    matrix = getattr(sensor.data, "force_matrix_w", None)
    if matrix is None:
        return as_tensor(sensor.data.net_forces_w)
    return as_tensor(matrix).sum(dim=2)


class RobotHandle:
    """An articulation of either version.

    Attributes:
        to_isaac: Column of the manifest's joints for each of Isaac Lab's. Shape (J,).
        from_isaac: Column of Isaac Lab's joints for each of the manifest's. Shape (J,).
    """

    def __init__(self, robot: Any, version: str, backend: str, joint_names: Sequence[str], device: str) -> None:
        self._robot, self._version, self._newton = robot, version, backend == "newton_mjwarp"
        order = joint_permutation(joint_names, robot.joint_names)
        self.from_isaac = torch.tensor(order, device=device)
        self.to_isaac = self.from_isaac.argsort()

    def body_ids(self, names: Sequence[str]) -> Tensor:
        """Columns of bodies, in the order of `names`, one of which may stand twice. Shape (b,)."""
        known = list(self._robot.body_names)
        missing = [name for name in names if name not in known]
        if missing:
            raise EngineError(f"The simulated robot has no body {missing[0]!r}. {did_you_mean(missing[0], known)}")
        return torch.tensor([known.index(name) for name in names], device=self.from_isaac.device)

    def base_pose(self) -> tuple[Tensor, Tensor]:
        """Position (m) and orientation of the base link, world. Shapes (N, 3) and (N, 4)."""
        data = self._robot.data
        return as_tensor(data.root_link_pos_w), quat_from_isaac(as_tensor(data.root_link_quat_w), self._version)

    def base_com_velocity(self) -> tuple[Tensor, Tensor]:
        """As `body_com_velocity`, of the base; true also right after a write, which bodies on PhysX are not.

        Shapes (N, 3).
        """
        data = self._robot.data
        return as_tensor(data.root_com_lin_vel_w), as_tensor(data.root_com_ang_vel_w)

    def body_pose(self, body_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Position (m) and orientation of the link frames, world. Shapes (N, b, 3) and (N, b, 4)."""
        data = self._robot.data
        quat = quat_from_isaac(as_tensor(data.body_link_quat_w)[:, body_ids], self._version)
        return as_tensor(data.body_link_pos_w)[:, body_ids], quat

    def body_com_velocity(self, body_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Velocity of the centre of mass (m/s) and angular velocity (rad/s), world. Shapes (N, b, 3)."""
        data = self._robot.data
        return as_tensor(data.body_com_lin_vel_w)[:, body_ids], as_tensor(data.body_com_ang_vel_w)[:, body_ids]

    def body_com_offset(self, body_ids: Tensor) -> Tensor:
        """Centre of mass in the link frame, m. Shape (N, b, 3)."""
        return as_tensor(self._robot.data.body_com_pos_b)[:, body_ids]

    def joint_pos(self) -> Tensor:
        """rad. Shape (N, J)."""
        return as_tensor(self._robot.data.joint_pos)[:, self.from_isaac]

    def joint_vel(self) -> Tensor:
        """rad/s. Shape (N, J)."""
        return as_tensor(self._robot.data.joint_vel)[:, self.from_isaac]

    def drives(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Targets (rad), gains (N m/rad, N m s/rad) and torque limits (N m) as simulated. Shapes (N, J)."""
        data = self._robot.data
        fields = (data.joint_pos_target, data.joint_stiffness, data.joint_damping, data.joint_effort_limits)
        target, stiffness, damping, limit = (as_tensor(field)[:, self.from_isaac] for field in fields)
        return target, stiffness, damping, limit

    def set_targets(self, targets: Tensor) -> None:
        """Joint position targets, rad; the next `write_data_to_sim` hands them over. Shape (N, J)."""
        targets = targets[:, self.to_isaac]
        if self._version == "2.3":
            self._robot.set_joint_position_target(targets)
        else:
            self._robot.set_joint_position_target_index(target=targets.contiguous())

    def write_base(self, env_ids: Tensor, pos: Tensor, quat: Tensor, lin_vel_w: Tensor, ang_vel_w: Tensor) -> None:
        """Pose and velocity of the base link's origin, world. Shapes (n, 3), (n, 4), (n, 3), (n, 3)."""
        pose = torch.cat((pos, quat_to_isaac(quat, self._version)), dim=1)
        velocity = torch.cat((lin_vel_w, ang_vel_w), dim=1)
        if self._version == "2.3":
            self._robot.write_root_link_pose_to_sim(pose, env_ids=env_ids)
            self._robot.write_root_link_velocity_to_sim(velocity, env_ids=env_ids)
        else:
            self._robot.write_root_link_pose_to_sim_index(root_pose=pose, env_ids=env_ids)
            self._robot.write_root_link_velocity_to_sim_index(root_velocity=velocity, env_ids=env_ids)

    def write_joints(self, env_ids: Tensor, pos: Tensor, vel: Tensor) -> None:
        """rad and rad/s. Shapes (n, J)."""
        pos, vel = pos[:, self.to_isaac].contiguous(), vel[:, self.to_isaac].contiguous()
        if self._version == "2.3":
            self._robot.write_joint_state_to_sim(pos, vel, env_ids=env_ids)
        else:
            self._robot.write_joint_position_to_sim_index(position=pos, env_ids=env_ids)
            self._robot.write_joint_velocity_to_sim_index(velocity=vel, env_ids=env_ids)

    def forget(self, env_ids: Tensor) -> None:
        """Clear what MuJoCo-Warp's solver starts its next search from: a NaN in it would outlive the reset."""
        if not self._newton:
            return
        import warp
        from isaaclab_newton.physics import NewtonManager

        warp.to_torch(NewtonManager._solver.mjw_data.qacc_warmstart)[env_ids] = 0.0

    def masses(self) -> Tensor:
        """kg, as simulated. Shape (N, B)."""
        view = self._physx_view()
        return as_tensor(self._robot.data.body_mass) if view is None else view.get_masses()

    def inertias(self) -> Tensor:
        """kg m^2 about the centre of mass, as simulated. Shape (N, B, 9)."""
        view = self._physx_view()
        return as_tensor(self._robot.data.body_inertia) if view is None else view.get_inertias()

    def write_inertial(self, env_ids: Tensor, body: int, mass: Tensor, inertia: Tensor) -> None:
        """Mass (n,) and inertia (n, 9) of one body."""
        view = self._physx_view()
        if view is None:
            self._robot.set_masses_index(masses=mass.unsqueeze(1), body_ids=[body], env_ids=env_ids)
            self._robot.set_inertias_index(inertias=inertia.unsqueeze(1), body_ids=[body], env_ids=env_ids)
            return
        masses, inertias, rows = view.get_masses(), view.get_inertias(), env_ids.to("cpu")
        masses[rows, body], inertias[rows, body] = mass.to(masses.device), inertia.to(inertias.device)
        view.set_masses(masses, rows)
        view.set_inertias(inertias, rows)

    def friction(self) -> Tensor:
        """Sliding friction of every collision geometry, bodies in Isaac Lab's order. Shape (N, geometries)."""
        view = self._physx_view()
        return self._newton_friction() if view is None else view.get_material_properties()[..., 0]

    def write_friction(self, env_ids: Tensor, columns: Tensor, friction: Tensor) -> None:
        """Sliding friction (n,), the same for some geometries."""
        view = self._physx_view()
        if view is None:
            self._newton_friction()[env_ids.unsqueeze(1), columns] = friction.unsqueeze(1)
            from isaaclab_newton.physics import NewtonManager
            from newton.solvers import SolverNotifyFlags

            NewtonManager.add_model_change(SolverNotifyFlags.SHAPE_PROPERTIES)
            return
        materials, rows = view.get_material_properties(), env_ids.to("cpu")
        value = friction.to(materials.device).reshape(-1, 1, 1)  # static and dynamic
        materials[rows.unsqueeze(1), columns.to("cpu"), :2] = value.expand(-1, len(columns), 2)
        view.set_material_properties(materials, rows)

    def geom_names(self, geoms_of_body: dict[str, list[str]]) -> list[str]:
        """Collision geometries in the order of `friction`.

        Args:
            geoms_of_body: Names in the order in which the USD file has them.
        """
        if self._newton:
            return list(self._robot.root_view.shape_names)
        return [geom for body in self._robot.body_names for geom in geoms_of_body.get(body, [])]

    def _newton_friction(self) -> Tensor:
        import warp
        from isaaclab_newton.physics import NewtonManager

        view = self._robot.root_view.get_attribute("shape_material_mu", NewtonManager.get_model())
        return warp.to_torch(view)[:, 0]

    def _physx_view(self) -> Any:
        if self._newton:
            return None
        return self._robot.root_physx_view if self._version == "2.3" else self._robot.root_view


def joint_permutation(wanted: Sequence[str], given: Sequence[str]) -> list[int]:
    """Where each wanted joint stands among the given ones.

    Raises:
        EngineError: The two are not the same joints.
    """
    if sorted(wanted) != sorted(given):
        lacking, extra = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
        raise EngineError(
            f"robot.joints and the simulated robot differ: the robot lacks {lacking or 'none'}, robot.joints lacks "
            f"{extra or 'none'}."
        )
    return [list(given).index(name) for name in wanted]
