"""Construction of environments: checks first, then the launch, then everything that imports Isaac Lab."""

import atexit
import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot.engines.device import check_device
from surefoot.engines.isaaclab import compat
from surefoot.engines.isaaclab.factors import SUPPORTED
from surefoot.errors import EngineError, MissingExtra
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.robot import Robot
from surefoot.randomization.buckets import refuse_unsupported
from surefoot.randomization.conditions import Conditions

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv
    from surefoot.engines.isaaclab.robot_model import RobotModel


def make_env(
    manifest: Manifest,
    *,
    device: str,
    num_envs: int | None = None,
    num_threads: int = 0,
    render: tuple[int, int] | None = None,
    visuals: bool = False,
    evaluation: bool = False,
    replicates: int = 1,
    conditions: Conditions | None = None,
    single_steps: bool = False,
    physics: str | None = None,
) -> "IsaacLabEnv":
    """Build a batch of environments; see `surefoot.engines.base.Engine`.

    Args:
        manifest: The experiment.
        device: `cpu` or `cuda:N`.
        num_envs: Default: the manifest's.
        num_threads: Not used: Newton's CPU path runs on one thread, PhysX has its own pool.
        render: Width and height in pixels, if `render` will be called.
        visuals: It will be given to `open_viewer`; the simulation is the same.
        evaluation: Commands are held from outside, no pushes, no scattered episode starts; other draws than training's.
        replicates: In an evaluation, so many neighbours share a command.
        conditions: What an evaluation imposes.
        single_steps: Not used: `physics_step` is one step however a control step is run.
        physics: Backend, one of `compat.BACKENDS`; default: the version's first.
    """
    if conditions is not None:
        num_envs = conditions.num_envs
    version = compat.isaaclab_version()
    backend = compat.physics_backend(version, physics)
    device = check_device(device)
    check_manifest(manifest, backend)
    if importlib.util.find_spec("mujoco") is None:
        raise MissingExtra("Engine 'isaaclab' reads the robot's MJCF with mujoco. Install it: pip install mujoco")
    if render is not None or visuals:
        from surefoot.engines.drawing import check_drawable

        check_drawable(manifest.robot)
    if visuals and (missing := [name for name in ("viser", "mjviser") if importlib.util.find_spec(name) is None]):
        raise MissingExtra(
            f"The viewer needs {' and '.join(missing)}. Install it: pip install viser && pip install --no-deps mjviser"
        )
    compat.launch(version, backend, device)

    from surefoot.engines.isaaclab.binder import build_env_cfg
    from surefoot.engines.isaaclab.env import IsaacLabEnv
    from surefoot.engines.isaaclab.robot_model import load_robot_model

    model = load_robot_model(manifest.robot, manifest.simulation.contact_model)
    cfg = build_env_cfg(
        manifest,
        model,
        write_usd(manifest.robot, model),
        backend=backend,
        device=device,
        num_envs=num_envs or manifest.training.num_envs,
        conditions=conditions,
    )
    env = IsaacLabEnv(
        cfg,
        manifest,
        model,
        version=version,
        backend=backend,
        evaluation=evaluation,
        replicates=replicates,
        conditions=conditions,
    )
    env.draw_at(render)
    return env


def write_usd(robot: Robot, model: "RobotModel") -> Path:
    """Write `robot.usda` and `ground.usda` into a new folder that is gone when Python ends; only after the launch."""
    from surefoot.engines.isaaclab.usd_file import write_ground, write_robot

    folder = Path(tempfile.mkdtemp(prefix="surefoot_usd_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if model.mj is not None:
        write_robot(folder / "robot.usda", robot, model)
    write_ground(folder / "ground.usda")
    return folder


def check_manifest(manifest: Manifest, backend: str) -> None:
    """Refuse what this engine cannot simulate, by manifest key, before anything is launched.

    Raises:
        EngineError: Names the key.
    """
    refuse_unsupported(manifest.randomization, SUPPORTED, "isaaclab")
    contacts = manifest.robot.contact_models[manifest.simulation.contact_model]
    if backend == "isaacsim_physx" and ("limbs" in contacts.collide or contacts.self_collision):
        raise EngineError(
            f"simulation.contact_model: {manifest.simulation.contact_model!r} tells feet from legs and the ground from "
            "the robot itself; PhysX in Isaac Sim reports contact per body only. Use simulation=lean, or --engine "
            "isaaclab:newton_mjwarp or isaaclab:ovphysx on Isaac Lab 3.0."
        )
