"""The accounts of a training run: fed by the runner, read once per iteration, written into the run folder."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from surefoot.audit.accounts.factor_values import factor_metrics
from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.observe import audit_layout
from surefoot.audit.accounts.state import check_state
from surefoot.audit.accounts.step import AuditStep
from surefoot.audit.accounts.terrain_level import level_metrics
from surefoot.audit.alerts.account_rules import expected_signs
from surefoot.audit.alerts.alerts import Alert, Finding, strongest
from surefoot.audit.alerts.leak import Leak
from surefoot.audit.alerts.leak_watch import LeakWatch
from surefoot.audit.alerts.learner_rules import LearnerRules
from surefoot.audit.alerts.learning import AUDIT, SECONDS, host_numbers
from surefoot.audit.alerts.memory import MemoryMonitor
from surefoot.audit.record.record import RunRecord
from surefoot.audit.second_look.second_look import SecondLook
from surefoot.audit.watch import accounts_and_alerts
from surefoot.engines.base import EngineEnv
from surefoot.manifest.audit import Action
from surefoot.manifest.terrain_classes import TERRAIN_CLASS
from surefoot.rl.learner_check import LearnerCheck
from surefoot.rl.ppo import MaskedPPO
from surefoot.rl.preflight import preflight
from surefoot.runs import checkpoint as checkpoints


@dataclass(frozen=True)
class AuditedIteration:
    """What the accounts say of one iteration."""

    flush: Flush
    alerts: list[Alert]

    @property
    def action(self) -> Action | None:
        """The strongest that an alert asks for."""
        return strongest(self.alerts)


class RunAudit:
    """Everything that watches a run.

    Args:
        env: The environments; their faults are recorded from now on.
        folder: Run folder; None keeps nothing.
        resumed_at: PPO iterations done in the checkpoint that is continued.
        alg: The learner; None looks at the environments alone.
    """

    def __init__(self, env: EngineEnv, folder: Path | None, resumed_at: int = 0, alg: MaskedPPO | None = None) -> None:
        manifest = env.manifest
        config, layout = manifest.audit, audit_layout(manifest, env.buckets)
        self._env = env
        self._folder = folder
        self._leaks = LeakWatch(manifest, env.device)
        self._leak_every = config.diagnostics.leak.every
        self._memory = MemoryMonitor(config, env.device)
        signs = expected_signs(manifest.task.rewards, config)
        weights = {name: term.weight for name, term in manifest.task.rewards.items()}
        learner = LearnerRules(config.diagnostics.learner, manifest.ppo.init_std, resumed_at)
        self._accounts, self._alerts, self._task = accounts_and_alerts(
            layout, config, env.device, signs, (self._memory, learner), weights
        )
        self._second = SecondLook(env)
        self._learner = LearnerCheck(alg, manifest, env.num_envs) if alg is not None else None
        self._samples: int | None = None
        self._before: list[Finding] = []
        self._looked = 0
        self._seconds = 0.0
        self.axes = self._accounts.axes
        self.record = None
        if folder is not None:
            factors = manifest.randomization.factors
            edges = {name: factors[name].edges for name in manifest.randomization.bucket_by if name in factors}
            if TERRAIN_CLASS in manifest.randomization.bucket_by and env.ground is not None:
                edges[TERRAIN_CLASS] = tuple(map(float, range(len(env.ground.layout.classes) + 1)))
            self.record = RunRecord(folder, self.axes, manifest.sha256, bucket_edges=edges, resumed_at=resumed_at)
        env.record_faults()

    def step(self, step: AuditStep) -> None:
        """Take in one control step; never waits for the device."""
        start = time.perf_counter()
        self._accounts.step(step)
        self._seconds += time.perf_counter() - start

    def preflight(self) -> None:
        """Prove what can be proved before the first iteration; what is wrong becomes an alert of that iteration."""
        self._before = preflight(self._env)

    def silent(self) -> dict[str, str]:
        """Kinds of alert that could not be raised so far, and why: silence about them says nothing."""
        found = self._alerts.silent() | self._second.silent()
        if self._looked < self._leak_every * self._env.manifest.audit.diagnostics.leak.patience:
            found["observation_leak"] = f"{self._looked} iterations, fewer than the looks that it needs"
        return dict(sorted(found.items()))

    def begin_iteration(self, iteration: int) -> None:
        """Before the first action of an iteration, the number of which is given."""
        with self._timed():
            self._samples = self._env.samples
            self._second.begin_iteration(iteration)
            if self._learner is not None:
                self._learner.begin_iteration(self._second.due)

    def before_step(self, number: int, last: int, obs: TensorDict, action: Tensor) -> None:
        """An action was sampled, of the `number`-th step of `last` in the iteration, from 0."""
        with self._timed():
            self._second.action = action
            self._second.step(number, last)
            if self._learner is not None:
                self._learner.acted(obs)

    def after_step(self, seen: AuditStep, obs: TensorDict, invalid_obs: Tensor) -> None:
        """The environments have made a step. Never waits for the device."""
        with self._timed():
            self._second.after(seen, obs)
            if self._learner is not None:
                self._learner.stepped(seen, invalid_obs)

    def collected(self, obs: TensorDict) -> None:
        """Returns and advantages are known; `obs` are those of the next step."""
        if self._learner is not None:
            with self._timed():
                self._learner.collected(obs)

    def updated(self) -> None:
        """The learner has made its update."""
        if self._learner is not None:
            with self._timed():
                self._learner.updated()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - start

    def _compared(self) -> tuple[Flush, list[Finding]]:
        """What the second looks say of the iteration, from one transfer."""
        parts = [self._second.flat] + ([self._learner.flat] if self._learner is not None else [])
        host = torch.cat(parts).cpu().split_with_sizes([len(part) for part in parts])
        findings, flush = self._second.findings(host[0]), Flush()
        if self._learner is not None:
            flush, more = self._learner.findings(host[1])
            findings += more
        return flush, findings

    def end_iteration(
        self,
        iteration: int,
        actor_obs: Tensor,
        numbers: Mapping[str, Tensor],
        started: float,
        further: Sequence[Alert] = (),
    ) -> AuditedIteration:
        """Read the accounts, ask the rules, write alerts down.

        Args:
            iteration: PPO iterations done, this one included.
            actor_obs: The actor's observations of the current state. Shape (num_envs, num_obs).
            numbers: Further metrics of the iteration, on the host.
            started: `time.perf_counter()` when the iteration began.
            further: Alerts that do not come from the accounts.
        """
        seconds_before, start = self._seconds, time.perf_counter()
        flush: Flush = self._accounts.flush() | self._memory.sample() | dict(numbers)
        flush |= factor_metrics(self._env.buckets.values)
        if (levels := self._env.terrain_levels) is not None and (ground := self._env.ground) is not None:
            flush |= level_metrics(levels.level, ground.classes(), ground.layout.classes)
        numbers_compared, further_findings = self._compared()
        flush |= numbers_compared
        if self._samples is not None:
            self._task.expected_rows = float(self._env.samples - self._samples)
        leaks: list[Finding] = [*self._before, *further_findings]
        self._before = []
        self._looked += 1
        if iteration % self._leak_every == 0:
            self._leaks.observe(actor_obs, self._env.robot_state)
            flush |= self._leaks.metrics()
            leaks += [_leak(leak) for leak in self._leaks.found()]
        alerts = self._alerts.check(iteration, flush, leaks)
        if alerts:
            self.dump_faults(iteration)
        alerts = [*alerts, *further]
        self._env.record_faults()
        self._seconds = 0.0
        now = time.perf_counter()
        flush |= host_numbers({AUDIT: seconds_before + now - start, SECONDS: now - started})
        if self.record is not None:
            self.record.add(iteration, flush, alerts)
        return AuditedIteration(flush, alerts)

    def dump_faults(self, iteration: int) -> Path | None:
        """Write what the iteration's first faults can be replayed from; where to, or None without a fault or folder."""
        saved = self._env.recorded_faults()
        if not saved or self._folder is None or self.record is None:
            return None
        path = self._folder / f"faults_{iteration}.pt"
        content = {"iter": iteration, "manifest_sha256": self._env.manifest.sha256, "faults": saved}
        return path if self.record.attempt(lambda: checkpoints.save(content, path), now=True) else None

    def state_dict(self) -> dict[str, Any]:
        """Everything that later metrics and alerts depend on, on the host."""
        return {
            "accounts": self._accounts.state_dict(),
            "alerts": self._alerts.state_dict(),
            "leaks": self._leaks.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken.

        Raises:
            ValueError: The state is that of other accounts, or of a window of another length; nothing is changed.
        """
        check_state(state, self.state_dict(), "the saved state of the accounts")
        self._accounts.load_state_dict(state["accounts"])
        self._alerts.load_state_dict(state["alerts"])
        self._leaks.load_state_dict(state["leaks"])

    @property
    def failures(self) -> int:
        """Attempts to write that failed since the start."""
        return self.record.failures if self.record is not None else 0


def _leak(leak: Leak) -> Finding:
    message = f"it is a copy of {leak.privileged}, which no robot measures"
    return Finding("observation_leak", leak.observation, message)
