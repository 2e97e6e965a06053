"""Everything that differs between Isaac Lab 2.3 (PhysX) and 3.0 (Newton, PhysX), and nothing else; a file a topic.

Outside this package quaternions are (w, x, y, z), data are torch tensors, joints come in the manifest's order.
"""

from surefoot.engines.isaaclab.compat.configs import configclass, contact_sensor_cfg, simulation_cfg
from surefoot.engines.isaaclab.compat.contact import contact_force, sensor_columns
from surefoot.engines.isaaclab.compat.data import as_tensor, quat_from_isaac, quat_to_isaac
from surefoot.engines.isaaclab.compat.launcher import launch
from surefoot.engines.isaaclab.compat.robot_handle import RobotHandle, joint_permutation
from surefoot.engines.isaaclab.compat.simulation import new_simulation
from surefoot.engines.isaaclab.compat.versions import (
    BACKENDS,
    check_packages,
    isaaclab_version,
    physics_backend,
    version_family,
)

__all__ = [
    "BACKENDS",
    "RobotHandle",
    "as_tensor",
    "check_packages",
    "configclass",
    "contact_force",
    "contact_sensor_cfg",
    "isaaclab_version",
    "joint_permutation",
    "launch",
    "new_simulation",
    "physics_backend",
    "quat_from_isaac",
    "quat_to_isaac",
    "sensor_columns",
    "simulation_cfg",
    "version_family",
]
