"""What an engine must give, and how one is found."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from surefoot.engines.faults import FaultDetector
from surefoot.engines.step import PhysicalState, StepResult
from surefoot.errors import EngineError, MissingExtra, unknown_name
from surefoot.machine import Machine
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.command_schedule import CommandSchedule
from surefoot.mdp.commands import VelocityCommands
from surefoot.mdp.prescribed_kicks import PrescribedKicks
from surefoot.mdp.robot_state import RobotState
from surefoot.randomization.buckets import Buckets
from surefoot.randomization.conditions import Conditions
from surefoot.randomization.pushes import Pushes
from surefoot.randomization.streams import Streams
from surefoot.terrain.ground import Ground
from surefoot.terrain.levels import TerrainLevels


class EngineEnv(Protocol):
    """A batch of environments of one task. Tensors live on `device`."""

    num_envs: int
    device: str
    manifest: Manifest
    robot_state: RobotState
    commands: VelocityCommands
    pushes: Pushes | PrescribedKicks
    streams: Streams
    """Random numbers of resets, commands, pushes, noise and factors."""
    ground: Ground | None
    """Rough ground and the environments' places on it; None on a plane."""
    terrain_levels: TerrainLevels | None
    """Levels of the environments' episodes, where the manifest generates the ground."""
    buckets: Buckets
    """Bucket and randomised values of each environment."""
    faults: FaultDetector
    """Of the running step; `start` before it, `mark_reported` after it."""
    episode_length_buf: Tensor
    """Control steps since each environment's reset. Shape (num_envs,), int64."""
    samples: int
    """Environment steps so far, over all environments; the curriculum follows it. Set on resume."""
    contact_of_present_state: bool
    """Whether contact flags after a physics step are those of the state that it ended with, not of its beginning."""
    implicit_drives: bool
    """Whether the solver integrates the motors' stiffness implicitly, as PhysX does, and not their damping alone."""
    caveats: tuple[str, ...]
    """What the engine itself says against numbers from these environments; goes into every report."""
    physics_seconds: float
    """Wall-clock spent inside the simulator since the start; NaN where it cannot be told apart (asynchronous CUDA)."""

    def reset(self) -> dict[str, Tensor]:
        """Reset every environment; observations by group, each of shape (num_envs, n)."""
        ...

    def step(self, action: Tensor) -> StepResult:
        """Advance by one control step; environments that end are reset at once.

        Args:
            action: Shape (num_envs, num_actions).
        """
        ...

    def step_to(self, action: Tensor, state: PhysicalState) -> StepResult:
        """A control step whose physics is replaced by `state`; everything else is as in `step`.

        Contact is that of the state where the simulator can tell, and of the last physics step where it cannot.

        Args:
            action: Shape (num_envs, num_actions).
            state: Of every robot.
        """
        ...

    def definition(self) -> dict[str, Any]:
        """Names, sizes, weights and time steps as the simulator's managers hold them, plain values."""
        ...

    def joint_properties(self) -> dict[str, Tensor]:
        """`lower` and `upper` limit, rad, and `armature`, kg m^2, as simulated. Shape (num_envs, num_joints) each."""
        ...

    def get_observations(self) -> dict[str, Tensor]:
        """Observations of the current state, without drawing new noise."""
        ...

    def write_state(self, env_ids: Tensor, state: PhysicalState) -> None:
        """Write the complete state of robots `env_ids`, shape (n,); `refresh` makes derived quantities follow."""
        ...

    def write_base(
        self, env_ids: Tensor, *, pos_w: Tensor, quat_w: Tensor, lin_vel_w: Tensor, ang_vel_b: Tensor
    ) -> None:
        """Write the state of the base alone."""
        ...

    def refresh(self, env_ids: Tensor) -> None:
        """Make derived quantities of environments that were written to follow. Shape (n,), n > 0."""
        ...

    def command_joints(self, targets: Tensor) -> None:
        """Set joint position targets past the action manager, rad. Shape (num_envs, num_joints)."""
        ...

    def write_gains(self, stiffness: Tensor, damping: Tensor) -> None:
        """Set the motors' gains past the manifest, N m/rad and N m s/rad. Shape (num_envs, num_joints)."""
        ...

    def physics_step(self) -> None:
        """One physics step with the targets in force, without managers."""
        ...

    def total_mass(self) -> Tensor:
        """Mass of each robot as simulated, randomisation included, kg. Shape (num_envs,)."""
        ...

    def record_faults(self) -> None:
        """From now on keep what the first faults can be replayed from; forgets those kept before."""
        ...

    def recorded_faults(self) -> dict[str, Tensor]:
        """What was kept since, on the host, one row a fault; empty without a fault."""
        ...

    def replay_faults(self, saved: dict[str, Tensor]) -> StepResult:
        """Repeat recorded faults, fault i in environment i.

        Raises:
            EngineError: Another number of environments, or recorded by another engine or task.
        """
        ...

    def state_dict(self) -> dict[str, Any] | None:
        """Everything that a step depends on, for an exact resume; None where the engine cannot tell."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken."""
        ...

    def render(self) -> Any:
        """An RGB frame of environment 0, uint8, shape (height, width, 3); drawn by MuJoCo on every engine.

        Raises:
            EngineError: The environment was not built to render.
        """
        ...

    def drawn_poses(self) -> tuple[NDArray[np.float32], ...]:
        """What is drawn of every robot, as the simulator holds it, also right after a write.

        Returns:
            Base position, m, world, shape (num_envs, 3); base orientation (w, x, y, z), shape (num_envs, 4); joint
            positions, rad, canonical joint order, shape (num_envs, num_joints).
        """
        ...

    def close(self) -> None:
        """Free what the simulator holds."""
        ...


class Engine(Protocol):
    """A module that builds environments."""

    FACTORS: frozenset[str]
    """Randomisation factors that it can write."""
    TERRAINS: frozenset[str]
    """Terrain classes that it can build, beside a plane."""
    ONE_AT_A_TIME: bool
    """A second batch of environments needs another process, or the end of the first."""

    def make_env(
        self,
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
    ) -> EngineEnv:
        """Build a batch of environments.

        Args:
            manifest: The experiment.
            device: `cpu` or `cuda:N`.
            num_envs: Default: the manifest's.
            num_threads: Physics threads on a CPU; 0 means all cores.
            render: Width and height in pixels, if `render` will be called.
            visuals: The environment can be given to `open_viewer`.
            evaluation: Commands are held from outside, no pushes, no scattered episode starts; other draws than in
                training with the same seed.
            replicates: In an evaluation, so many neighbours share a command; randomisation is balanced among them and
                independent of the command.
            conditions: In an evaluation, what is imposed on each environment in place of held commands and drawn
                values; it also says how many there are. The manifest's factors are those that are imposed.
            single_steps: It will be driven by `physics_step`, whose steps are then physics and nothing else: an engine
                that can run a control step as one call would end each of them with a forward pass.
        """
        ...

    def open_viewer(
        self,
        env: EngineEnv,
        policy: Callable[[Tensor], Tensor],
        *,
        schedule: CommandSchedule | None = None,
        host: str = "127.0.0.1",
        port: int = 8080,
        max_steps: int | None = None,
    ) -> None:
        """Show environments, built with `visuals`, in a browser until Ctrl-C.

        Args:
            env: Built by `make_env` of this engine.
            policy: Actor observations to actions.
            schedule: Commands until somebody takes over; without one the robot stands until then.
            host: Address to listen on; 0.0.0.0 lets other machines in.
            port: The next free one is taken.
            max_steps: Control steps after which the viewer ends by itself.
        """
        ...


@dataclass(frozen=True)
class EngineSource:
    """Where an engine comes from."""

    module: str
    needs: tuple[str, ...]
    """Packages; empty where the engine says by itself what it lacks, because it depends on the version."""
    extra: str
    """Installs them."""
    backends: str = ""
    """Module with `backend_here` and `chosen_backend`, of an engine with several physics backends."""


ENGINES: dict[str, EngineSource] = {
    "mujoco": EngineSource("surefoot.engines.mujoco", ("mjlab", "mjbatch"), "mujoco"),
    "isaaclab": EngineSource(
        "surefoot.engines.isaaclab", (), "isaaclab", backends="surefoot.engines.isaaclab.compat.versions"
    ),
}


def load_engine(name: str) -> Engine:
    """Import an engine.

    Args:
        name: One of `ENGINES`; `isaaclab:BACKEND` also chooses the physics.

    Raises:
        UnknownName: No such engine.
        MissingExtra: A package that it needs is not installed.
        EngineError: A backend for an engine that has only one.
    """
    name, _, backend = name.partition(":")
    if name not in ENGINES:
        raise unknown_name("Engine", name, ENGINES)
    source = ENGINES[name]
    missing = [package for package in source.needs if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(f"Engine {name!r} needs {' and '.join(missing)}. Install it: {pip_line(source.extra)}")
    engine = importlib.import_module(source.module)
    if backend:
        if not hasattr(engine, "with_physics"):
            raise EngineError(f"Engine {name!r} has one physics backend only; drop {':' + backend!r}.")
        return engine.with_physics(backend)
    return cast("Engine", engine)


def make_env(machine: Machine, manifest: Manifest, **how: Any) -> EngineEnv:
    """Build a batch of environments on a machine; `how` is what `Engine.make_env` takes beside it."""
    return load_engine(machine.engine).make_env(manifest, device=machine.device, num_threads=machine.threads, **how)


def physics_name(engine: str) -> str:
    """An engine's name with the backend that it simulates with here: what its name alone leaves to what is installed.

    Args:
        engine: As `load_engine` takes it.

    Raises:
        MissingExtra: The backend depends on what is installed, and nothing is.
        EngineError: The installed version is not known.
    """
    name, _, backend = engine.partition(":")
    if name not in ENGINES or not ENGINES[name].backends:
        return engine
    return f"{name}:{importlib.import_module(ENGINES[name].backends).backend_here(backend or None)}"


def with_presets(engine: str, overrides: list[str]) -> tuple[str, list[str]]:
    """An engine's own words among overrides, such as `physics=NAME`: the engine they choose, and the other overrides.

    Raises:
        UnknownName: No backend of that name.
        EngineError: They are another engine's, or another backend was chosen with `--engine`.
    """
    name, _, chosen = engine.partition(":")
    for owner, source in ENGINES.items():
        if not source.backends:
            continue
        backend, rest = importlib.import_module(source.backends).chosen_backend(overrides)
        if backend is None:
            continue
        if name != owner:
            raise EngineError(f"physics={backend} chooses a backend of engine {owner!r}; here is --engine {engine}.")
        if chosen not in ("", backend):
            raise EngineError(f"physics={backend} and --engine {engine} contradict each other; drop one of them.")
        return f"{name}:{backend}", rest
    return engine, overrides


def pip_line(extra: str) -> str:
    """The exact command that installs an extra, from a checkout where this is one."""
    root = Path(__file__).resolve().parents[4]
    if (root / "constraints.txt").is_file() and (root / "pyproject.toml").is_file():
        return f"pip install -c {root}/constraints.txt -e '{root}[{extra}]'"
    return f"pip install 'surefoot[{extra}]'"
