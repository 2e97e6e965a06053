"""What is timed: environments, and raw MuJoCo C on the same states with the same controls."""

from collections.abc import Callable

import torch
from mjbatch import Batch
from mjlab.envs import ManagerBasedRlEnv, ManagerBasedRlEnvCfg
from mjlab.tasks.velocity.config.go1.env_cfgs import unitree_go1_flat_env_cfg

from surefoot.engines.mujoco import make_env, make_mjlab_env
from surefoot.engines.mujoco.affinity import one_core_each
from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
MOTION = 0.3
"""Standard deviation of the random actions: robots step from foot to foot, and few fall."""


def mjlab_cfg(num_envs: int) -> ManagerBasedRlEnvCfg:
    """mjlab's own Go1 flat velocity task, unchanged."""
    cfg = unitree_go1_flat_env_cfg()
    cfg.scene.num_envs = num_envs
    cfg.seed = 1
    return cfg


def build(which: str, num_envs: int, overrides: list[str]) -> ManagerBasedRlEnv:
    """An environment on this engine: `mjlab` (its own task) or `surefoot` (ours)."""
    if which == "mjlab":
        env = make_mjlab_env(mjlab_cfg(num_envs), device="cpu")
        env.reset()
        return env
    return make_env(compose_manifest(manifest_root(), TASK, overrides), device="cpu", num_envs=num_envs)


class Stepped:
    """An environment that walks on the spot; remembers where a round began and which controls it sent."""

    def __init__(self, env: ManagerBasedRlEnv, steps: int, record: bool = False) -> None:
        self.env = env
        self.controls: list[torch.Tensor] = []
        self._steps = steps
        self._record = record
        self._random = torch.Generator().manual_seed(0)
        self.actions = torch.zeros(steps, env.num_envs, 12)
        self.prepare()

    def prepare(self) -> None:
        """Between rounds, not timed: draw the next actions, note the state."""
        self.actions.normal_(0.0, MOTION, generator=self._random)
        self.controls = []
        if self._record:
            sim = self.env.sim
            assert isinstance(sim, BatchSimulation)
            self.start = sim.state.copy()

    def __call__(self) -> float:
        with torch.inference_mode():
            for action in self.actions:
                self.env.step(action)
                if self._record:
                    self.controls.append(self.env.sim.data.ctrl[:].clone())
        return float(self._steps * self.env.num_envs)


class Raw:
    """The same physics without an environment: one call of the thread pool for four steps and a forward pass.

    It starts each round from the state that the environment started from and sends the same controls, with the same
    friction and mass in each simulation, so that both carry the same contacts. It copies only positions, velocities and
    controls.
    """

    def __init__(self, env: ManagerBasedRlEnv) -> None:
        sim = env.sim
        assert isinstance(sim, BatchSimulation)
        self._decimation = env.cfg.decimation
        threads = sim.batch.num_threads
        with one_core_each(threads):
            self._batch = Batch(sim.mj_model, env.num_envs, threads, True)
        self._state = self._batch.bind("state")
        for name, values in sim.expanded_views.items():
            self._batch.expand(name)[:] = values
        self._batch.set_const()
        self._ctrl = self._batch.bind("ctrl", "float32")
        self._batch.bind("qpos", "float32")
        self._batch.bind("qvel", "float32")

    def follow(self, stepped: Stepped) -> None:
        """Between rounds, not timed: take over the environment's start and controls."""
        self._state[:] = stepped.start
        self._batch.forward()
        self._state[:] = stepped.start
        self._controls = [control.numpy() for control in stepped.controls]

    def __call__(self) -> float:
        for control in self._controls:
            self._ctrl[:] = control
            self._batch.step(nstep=self._decimation)
        return float(len(self._controls) * len(self._state))


Work = Callable[[], float]
