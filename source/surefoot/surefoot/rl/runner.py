"""RSL-RL's OnPolicyRunner with atomic checkpoints, exact resume, clean interruption and timed phases."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rsl_rl.runners import OnPolicyRunner
from rsl_rl.utils import check_nan

from surefoot.errors import CheckpointError
from surefoot.manifest import Manifest
from surefoot.rl import checkpoint as checkpoints
from surefoot.rl.config import runner_config
from surefoot.rl.progress import Iteration, Progress
from surefoot.rl.vec_env import SurefootVecEnv

ENV_STATE = "env_state.pt"


class TrainRunner(OnPolicyRunner):
    """Trains one policy in one run folder.

    Args:
        env: The environments.
        manifest: The experiment, written into every checkpoint.
        folder: Run folder; None trains without writing anything.
        progress: Where each iteration is shown.
    """

    env: SurefootVecEnv

    def __init__(
        self, env: SurefootVecEnv, manifest: Manifest, folder: Path | None, progress: Progress | None = None
    ) -> None:
        torch.manual_seed(manifest.seed)
        threads = (manifest.training.learning_threads or os.cpu_count() or 1) if str(env.device) == "cpu" else 1
        super().__init__(env, runner_config(manifest, threads), log_dir=None, device=str(env.device))
        self._threads = max(1, threads // 2)
        self.manifest = manifest
        self.folder = folder
        self.progress = progress
        self.interrupted = False
        """Set by Ctrl-C: the current iteration is the last."""
        self.iterations_done = 0

    def train(self, until: int) -> None:
        """Train until `until` iterations are done in total, or until interrupted; save at the end either way."""
        obs = self.env.get_observations()
        self.alg.train_mode()
        with self._interruptible():
            while self.iterations_done < until and not self.interrupted:
                obs = self._iterate(obs, until)
                done = self.iterations_done
                if done % self.manifest.training.save_interval == 0 or done == until or self.interrupted:
                    self.save_all()
        if self.progress is not None:
            self.progress.close()

    def _iterate(self, obs: Any, until: int) -> Any:
        env, start, physics_before = self.env, time.perf_counter(), self.env.env.physics_seconds
        env_seconds = 0.0
        logs: list[dict[str, Any]] = []
        reward_sum = torch.zeros((), device=self.device)
        with torch.inference_mode(), _torch_threads(1):
            for _ in range(self.cfg["num_steps_per_env"]):
                actions = self.alg.act(obs)
                before = time.perf_counter()
                obs, rewards, dones, extras = env.step(actions)
                env_seconds += time.perf_counter() - before
                check_nan(obs, rewards, dones)
                self.alg.process_env_step(obs, rewards, dones, extras)
                if extras["log"]:
                    logs.append(extras["log"])
                reward_sum += rewards.mean()
            self.alg.compute_returns(obs)
        collected = time.perf_counter()
        with _torch_threads(self._threads):
            losses = self.alg.update()
        finished = time.perf_counter()
        self.iterations_done += 1
        self.current_learning_iteration = self.iterations_done
        if self.progress is not None:
            physics = env.env.physics_seconds - physics_before
            self.progress.show(
                Iteration(
                    done=self.iterations_done,
                    until=until,
                    samples=self._samples_at(self.iterations_done),
                    batch=env.num_envs * self.cfg["num_steps_per_env"],
                    seconds=finished - start,
                    physics_seconds=physics,
                    env_seconds=env_seconds,
                    learn_seconds=finished - collected,
                    reward_per_second=reward_sum.item()
                    / self.cfg["num_steps_per_env"]
                    / self.manifest.simulation.step_dt,
                    losses=losses,
                    learning_rate=self.alg.learning_rate,
                    action_std=self.alg.get_policy().output_std.mean().item(),
                    logs=logs,
                )
            )
        return obs

    def _samples_at(self, iteration: int) -> int:
        return iteration * self.env.num_envs * self.cfg["num_steps_per_env"]

    def save_all(self) -> Path | None:
        """Write the checkpoint of this iteration and, where the engine can tell it, the environment's state."""
        if self.folder is None:
            return None
        path = self.folder / f"model_{self.iterations_done}.pt"
        content = self.alg.save() | {
            "iter": self.iterations_done,
            "infos": {
                "format": checkpoints.FORMAT,
                "task": self.manifest.name,
                "manifest": self.manifest.canonical_json,
                "manifest_sha256": self.manifest.sha256,
                "rng": torch.get_rng_state(),
                "samples": self.env.env.samples,
            },
        }
        env_state = self.env.env.state_dict()
        if env_state is not None:
            checkpoints.save({"iter": self.iterations_done, "env": env_state}, self.folder / ENV_STATE)
        checkpoints.save(content, path)
        return path

    def resume(self, loaded: checkpoints.Checkpoint) -> str:
        """Continue from a checkpoint; returns a sentence on what was restored."""
        self.alg.load(loaded.content, None, strict=True)
        self.iterations_done = self.current_learning_iteration = loaded.iteration
        torch.set_rng_state(loaded.content["infos"]["rng"])
        self.env.env.samples = loaded.content["infos"].get("samples", self._samples_at(loaded.iteration))
        state_path = loaded.path.parent / ENV_STATE
        if not state_path.is_file():
            return "All environments were reset: the run folder holds no environment state."
        try:
            saved = checkpoints.read(state_path)
        except CheckpointError as error:
            return f"All environments were reset: {error}"
        if saved.get("iter") != loaded.iteration:
            return f"All environments were reset: the saved environment state is of iteration {saved.get('iter')}."
        try:
            self.env.env.load_state_dict(saved["env"])
        except CheckpointError as error:
            return f"All environments were reset: {error}"
        return "Weights, optimiser, counters, random streams and every environment continue where they stopped."

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """First Ctrl-C or SIGTERM: finish the iteration and save. Second: stop at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(signum: int, frame: Any) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            print("\nStopping after this iteration; press Ctrl-C again to stop without saving.", flush=True)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Few threads beside the physics' thread pool, all of them for the update."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
