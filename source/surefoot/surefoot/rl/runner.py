"""RSL-RL's OnPolicyRunner with atomic checkpoints, exact resume, clean interruption and timed phases."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from rsl_rl.runners import OnPolicyRunner

from surefoot.audit.alerts import learning
from surefoot.audit.alerts.alerts import Alert
from surefoot.audit.record.console import alert_lines
from surefoot.audit.record.resilience import END_PAUSE, LONGEST_PAUSE, Retry
from surefoot.errors import AlertStop, CannotWrite, CheckpointError, Diverged, EngineError
from surefoot.files import make_way, write_atomically
from surefoot.jobs.job import Result
from surefoot.jobs.reactions import pause, stop_message
from surefoot.jobs.trainer import RunEvents
from surefoot.manifest import Manifest
from surefoot.reporting import say
from surefoot.rl.config import runner_config
from surefoot.rl.interruption import interruptible
from surefoot.rl.ppo import MaskedPPO
from surefoot.rl.progress import Progress
from surefoot.rl.run_audit import AuditedIteration, RunAudit
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot.runs import checkpoint as checkpoints
from surefoot.runs.record_keeper import RunRecordKeeper
from surefoot.runs.record_schema import Status
from surefoot.torch_threads import torch_threads


class TrainRunner(OnPolicyRunner):
    """Trains one policy in one run folder.

    Args:
        env: The environments.
        manifest: The experiment, written into every checkpoint.
        folder: Run folder; None trains without writing anything.
        progress: Where each iteration is shown.
        resumed_at: PPO iterations done in the checkpoint that is continued.
    """

    env: SurefootVecEnv
    alg: MaskedPPO

    def __init__(
        self,
        env: SurefootVecEnv,
        manifest: Manifest,
        folder: Path | None,
        progress: Progress | None = None,
        resumed_at: int = 0,
    ) -> None:
        # Before the networks are built, whose first weights are drawn.
        torch.manual_seed(manifest.seed)
        threads = (manifest.training.learning_threads or os.cpu_count() or 1) if str(env.device) == "cpu" else 1
        super().__init__(env, runner_config(manifest, threads), log_dir=None, device=str(env.device))
        self._threads = max(1, threads // 2)
        self.manifest = manifest
        self.folder = folder
        self.progress = progress
        self.interrupted = False
        """Set by Ctrl-C, SIGTERM or SIGHUP: the current iteration is the last."""
        self.signal: int | None = None
        """Which of them came first."""
        self._checkpoint_retry = Retry("Checkpoint")
        self._earlier: list[str] = []
        self.iterations_done = 0
        self.audit = RunAudit(env.env, folder, resumed_at, self.alg)
        self.events: RunEvents | None = None
        """What is evaluated beside the training."""
        self.document: RunRecordKeeper | None = None

    def train(self, until: int) -> None:
        """Train until `until` iterations are done in total, or until interrupted; save at the end either way.

        Raises:
            AlertStop: An alert whose action is `stop`; everything is saved.
        """
        try:
            stop = self._train(until)
        except EngineError as error:
            self.save_all(last=True, broken=True)
            self._document("failed", str(error))
            faults = self.audit.dump_faults(self.iterations_done + 1)
            way_out = f"Repeat it: surefoot replay-faults {faults}\n       " if faults is not None else ""
            raise EngineError(
                f"Iteration {self.iterations_done + 1} could not be finished. {error}\n       {way_out}"
                f"Checkpoint of the last whole iteration: {self.folder}/model_{self.iterations_done}.pt"
            ) from error
        except Diverged as error:
            text = f"diverged at iteration {self.iterations_done + 1}: {error}"
            self._document("failed", text)
            raise Diverged(f"The training {text}. {self._last_finite()}") from error
        except BaseException as error:
            broken_off = isinstance(error, KeyboardInterrupt)
            self._document("interrupted" if broken_off else "failed", f"{type(error).__name__}: {error}".rstrip(": "))
            raise
        finally:  # also where an error ends the run: what was recorded since the last checkpoint tells why
            if self.audit.record is not None:
                self.audit.record.save(end=True)
                self._tell_silence()
            if self.events is not None:
                self.events.close()
            if self.progress is not None:
                self.progress.close()
        if stop:
            reason = stop_message(stop, self.folder, self.iterations_done)
            self._document("stopped", reason.splitlines()[0])
            raise AlertStop(reason)
        self._document("finished" if self.iterations_done >= until and not self.interrupted else "interrupted")

    def _tell_silence(self) -> None:
        """Which detectors could not speak: a run without their alerts is not one without what they look for."""
        silent = self.audit.silent()
        text = json.dumps(silent, indent=1)
        assert self.audit.record is not None and self.folder is not None
        path = self.folder / "silent_detectors.json"
        self.audit.record.attempt(lambda: write_atomically(path, text.encode()), now=True)
        if silent:
            say("Could not speak in this run:", *(f"  {kind}: {why}" for kind, why in silent.items()))

    def _last_finite(self) -> str:
        """Where to go on after a divergence."""
        path = checkpoints.newest_finite(self.folder) if self.folder is not None else None
        if path is None:
            return "There is no checkpoint from before; lower ppo.learning_rate or ppo.max_learning_rate."
        return (
            f"Last finite checkpoint: {path}\n       Take the alerts before it as the reason, lower "
            "ppo.learning_rate or ppo.max_learning_rate, and continue with --resume and --allow-manifest-change."
        )

    def _train(self, until: int) -> list[Alert]:
        """Iterate to the end, or until an alert stops the run; returns the alerts that did."""
        if self.iterations_done < until:
            with torch.inference_mode():
                self.audit.preflight()
        obs = self.env.get_observations()
        self.alg.train_mode()
        stop: list[Alert] = []
        with interruptible(self):
            self._start_events(until)
            while self.iterations_done < until and not self.interrupted and not stop:
                obs, audited = self._iterate(obs, until)
                done, action = self.iterations_done, audited.action
                stop = [alert for alert in audited.alerts if alert.action == "stop"]
                last = done == until or self.interrupted or bool(stop)
                end, events = done == until and not stop, self.events
                due = events is not None and bool(events.due(done, end))
                regular = last or action == "pause" or done % self.manifest.training.save_interval == 0
                if regular or due:
                    path = self.save_all(last=last)
                    if regular:
                        self._document("running")
                    if events is not None and due:
                        events.submit(done, path, end)
                if action == "pause":
                    waiting = [alert for alert in audited.alerts if alert.action == "pause"]
                    pause(waiting, self.folder, done, lambda: self.interrupted)
            if self.iterations_done == until and not stop:
                stop = self._wait_for_events()
        return stop

    def _start_events(self, until: int) -> None:
        self._document("running")
        if self.events is not None:
            path = self.folder / f"model_{self.iterations_done}.pt" if self.folder is not None else None
            self.events.start(self.iterations_done, path, self.iterations_done == until)

    def _wait_for_events(self) -> list[Alert]:
        """See the outstanding results in; returns the alerts that make the run a stopped one."""
        if self.events is None:
            return []
        alerts = self.events.wait(self.iterations_done, lambda: self.interrupted, self._show_events)
        if self.audit.record is not None:
            self.audit.record.add_alerts(alerts)
        say(*alert_lines(alerts))
        return [alert for alert in alerts if alert.action == "stop"]

    def _show_events(self, results: Sequence[Result]) -> None:
        if self.progress is not None:
            assert self.events is not None
            self.progress.show_events(results, self.events.folder.run)

    def _document(self, status: Status, reason: str = "") -> None:
        if self.document is not None:
            self.document.write(status, reason, now=status != "running")

    def _iterate(self, obs: Any, until: int) -> tuple[Any, AuditedIteration]:
        env, start, physics_before = self.env, time.perf_counter(), self.env.env.physics_seconds
        env_seconds = 0.0
        steps = self.cfg["num_steps_per_env"]
        with torch.inference_mode(), torch_threads(1):
            self.audit.begin_iteration(self.iterations_done + 1)
            for number in range(steps):
                actions = self.alg.act(obs)
                self.audit.before_step(number, steps, obs, actions)
                before = time.perf_counter()
                obs, rewards, dones, extras = env.step(actions)
                env_seconds += time.perf_counter() - before
                self.audit.step(extras["audit"])
                self.audit.after_step(extras["audit"], obs, extras["invalid_obs"])
                self.alg.process_env_step(obs, rewards, dones, extras)
            self.alg.compute_returns(obs)
            self.audit.collected(obs)
        collected = time.perf_counter()
        with torch_threads(self._threads):
            losses = self.alg.update()
        self.audit.updated()
        finished = time.perf_counter()
        self.iterations_done += 1
        self.current_learning_iteration = self.iterations_done
        std = self.alg.get_policy().output_std.detach()
        if not bool(torch.isfinite(std).all()):
            self.iterations_done -= 1
            raise Diverged(f"the standard deviation of {int((~torch.isfinite(std)).sum())} actions is not finite")
        learned = {"learning_rate": self.alg.learning_rate, "action_std": std.mean(), "action_std_min": std.amin()}
        spent = {
            learning.SAMPLES: env.env.samples,
            learning.PHYSICS: env.env.physics_seconds - physics_before,
            learning.ENV: env_seconds,
            learning.LEARN: finished - collected,
            learning.WRITE_FAILURES: self.failures,
            learning.EVENTS: 0.0,
        }
        alerts: list[Alert] = []
        if self.events is not None:
            alerts = self.events.poll(self.iterations_done)
            spent[learning.EVENTS], self.events.seconds = self.events.seconds, 0.0
        numbers = learning.learning_flush(self.alg.diagnostics | losses | learned) | learning.host_numbers(spent)
        with torch.inference_mode():
            audited = self.audit.end_iteration(self.iterations_done, obs["actor"], numbers, start, alerts)
        if self.progress is not None:
            batch = env.num_envs * self.cfg["num_steps_per_env"]
            self.progress.show(self.iterations_done, until, batch, audited, self.audit.axes)
        if self.events is not None:
            self._show_events(self.events.news())
        if self.document is not None:
            self.document.add(self.iterations_done, audited.flush, self.audit.axes["fault"])
        return obs, audited

    @property
    def failures(self) -> int:
        """Attempts to write that failed since the start, wherever they were retried."""
        writers = (self.audit, self.progress, self.events, self.document, self._checkpoint_retry)
        return sum(writer.failures for writer in writers if writer is not None)

    def _samples_at(self, iteration: int) -> int:
        return iteration * self.env.num_envs * self.cfg["num_steps_per_env"]

    def save_all(self, last: bool = False, broken: bool = False) -> Path | None:
        """Write record and checkpoint of this iteration and, where the engine can tell it, the environment's state.

        Args:
            last: The run ends here: a record that could not be written before is tried at once.
            broken: The environments are not to be trusted; leave them out.
        """
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
                "earlier_manifests": self._earlier,
                "rng": torch.get_rng_state(),
                "samples": self.env.env.samples,
                "episodes": self.env.env.streams.episode.cpu().clone(),
            },
        }
        if self.device != "cpu":
            content["infos"]["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        files = {path: content}
        env_state = None if broken else self.env.env.state_dict()
        if env_state is not None:
            state = {"iter": self.iterations_done, "env": env_state, "audit": self.audit.state_dict()}
            files = {checkpoints.env_state_path(self.folder, self.iterations_done): state} | files
        self._checkpoint_retry.insist(
            lambda: self._save_together(files, last),
            only=CannotWrite,
            patience=lambda: END_PAUSE if self.interrupted or broken else LONGEST_PAUSE,
        )
        checkpoints.drop_other_env_states(self.folder, self.iterations_done)
        return path

    def _save_together(self, files: dict[Path, dict[str, Any]], last: bool) -> None:
        # Before each attempt: after a full disk the checkpoint would be there before its rows.
        if self.audit.record is not None:
            self.audit.record.save(end=last, now=self._checkpoint_retry.failures > 0)
        for path in files:
            make_way(path, say)
        checkpoints.save_together(files)

    def resume(self, loaded: checkpoints.Checkpoint) -> str:
        """Continue from a checkpoint; returns a sentence on what was restored."""
        infos = loaded.content["infos"]
        self.alg.load(loaded.content, None, strict=True)
        before = dict.fromkeys(manifest.canonical_json for manifest in loaded.trained_on)
        self._earlier = [text for text in before if text != self.manifest.canonical_json]
        if self.manifest.ppo.learning_rate != loaded.manifest.ppo.learning_rate:
            self.alg.learning_rate = self.manifest.ppo.learning_rate  # else the optimiser's, where the schedule has led
            for group in self.alg.optimizer.param_groups:
                group["lr"] = self.alg.learning_rate
        self.iterations_done = self.current_learning_iteration = loaded.iteration
        torch.set_rng_state(infos["rng"])
        if "cuda_rng" in infos and self.device != "cpu":
            torch.cuda.set_rng_state(infos["cuda_rng"], self.device)
        self.env.env.samples = infos.get("samples", self._samples_at(loaded.iteration))
        problem = self._restore_environments(loaded)
        if problem is None:
            return "Weights, optimiser, counters, random streams and every environment continue where they stopped."
        return problem

    def _restore_environments(self, loaded: checkpoints.Checkpoint) -> str | None:
        """Environments and accounts as they were, or new episodes; a sentence on what was lost."""
        path = checkpoints.env_state_path(loaded.path.parent, loaded.iteration)
        try:
            if not path.is_file():
                raise CheckpointError(f"the run folder holds no {path.name}.")
            saved = checkpoints.read(path)
            if saved.get("iter") != loaded.iteration:
                raise CheckpointError(f"the saved environment state is of iteration {saved.get('iter')}.")
            self.env.env.load_state_dict(cast("dict[str, Any]", saved.get("env", {})))
        except CheckpointError as error:
            self.env.env.streams.skip_to(loaded.content["infos"].get("episodes"))
            self.env.env.reset()
            return f"All environments were reset: {error} They begin episodes that they have not had."
        try:
            self.audit.load_state_dict(saved["audit"])
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            return f"Every environment continues where it stopped, the accounts start anew: {error}"
        return None
