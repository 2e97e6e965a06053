"""Where the robot comes from: a USD written from its MJCF, a USD on this machine, or Isaac's asset server."""

from pathlib import Path
from typing import Any

from isaaclab.sim import UsdFileCfg
from isaaclab.utils.assets import check_file_path

from surefoot.engines.isaaclab.compat.configs import articulation_properties
from surefoot.errors import EngineError, MissingExtra, unknown_name
from surefoot.manifest.manifest import Manifest


def robot_spawn(manifest: Manifest, usd_folder: Path) -> Any:
    """Isaac Lab's spawner of the robot.

    Args:
        manifest: The experiment.
        usd_folder: Where `robot.usda` is, if the robot has an MJCF.

    Raises:
        EngineError: The file is not there, or the asset server cannot be reached.
        UnknownName: `isaaclab_assets` has no such robot.
    """
    robot = manifest.robot
    properties = articulation_properties(robot.contact_models[manifest.simulation.contact_model].self_collision)
    if robot.assets.mujoco is not None:
        path = str(usd_folder / "robot.usda")
    elif robot.assets.usd is not None:
        path = _local(robot.assets.usd)
    else:
        path = _on_server(robot.name, str(robot.assets.isaaclab))
    return UsdFileCfg(usd_path=path, activate_contact_sensors=True, articulation_props=properties)


def _local(usd: str) -> str:
    path = Path(usd).expanduser().resolve()
    if not path.is_file():
        raise EngineError(f"robot.assets.usd: expected a USD file, {str(path)!r} is none.")
    return str(path)


def _on_server(robot: str, name: str) -> str:
    try:
        import isaaclab_assets
    except ImportError as error:
        raise MissingExtra(
            f"robot.assets.isaaclab: {name} is in the package 'isaaclab_assets', which is part of Isaac Lab's "
            "repository and not installed. Install it, or set robot.assets.usd to a USD file of the robot."
        ) from error
    if not hasattr(isaaclab_assets, name):
        known = [found for found in dir(isaaclab_assets) if found.endswith("_CFG")]
        raise unknown_name("robot.assets.isaaclab: configuration", name, known)
    path = str(getattr(isaaclab_assets, name).spawn.usd_path)
    if check_file_path(path) == 0:
        raise EngineError(
            f"robot.assets.isaaclab: the asset server does not give {path}. Connect, or set robot.assets.usd to a USD "
            f"file of {robot} on this machine."
        )
    return path
