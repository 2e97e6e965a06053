"""Runs planted defects and clean runs, and says which were found, by which alert, and after how many iterations."""

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surefoot.audit.alerts.alerts import Alert
from surefoot.defects import learner, task, world  # noqa: F401  # they register their defects
from surefoot.defects.registry import DEFECTS, GO1_FLAT, Defect
from surefoot.engines import load_engine
from surefoot.errors import AlertStop, SurefootError, unknown_name
from surefoot.manifest import Manifest, compose_manifest
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv

__all__ = ["DEFECTS", "GO1_FLAT", "Defect", "Outcome", "chosen", "line", "run_clean", "run_defect", "table"]
SHORT = ("training.logger=none", "training.learning_threads=1")


@dataclass
class Outcome:
    """What became of one run."""

    name: str
    """Of the defect, or of the task of a clean run."""
    seed: int
    defect: Defect | None = None
    iterations: int = 0
    alerts: list[Alert] = field(default_factory=list[Alert])
    """In the order in which they were raised."""
    refused: str = ""
    """What this project said when it ended the run before its time, or before its first iteration."""
    crashed: str = ""
    """Any other error that ended it: a symptom, whatever words stand in it, and never a finding."""
    seconds: float = 0.0

    @property
    def found(self) -> Alert | None:
        """The first alert that points at the right place."""
        if self.defect is None:
            return None
        return next((alert for alert in self.alerts if names(alert, self.defect.place)), None)

    @property
    def was_refused(self) -> bool:
        """The run was refused for the right reason."""
        return self.defect is not None and any(word.lower() in self.refused.lower() for word in self.defect.place)


def names(alert: Alert, place: Sequence[str]) -> bool:
    """Whether an alert points at one of the words."""
    said = f"{alert.kind} {alert.subject} {alert.message}".lower()
    return any(word.lower() in said for word in place)


def chosen(which: Iterable[str]) -> list[Defect]:
    """Defects by name or by kind; all where nothing is named.

    Raises:
        UnknownName: No defect and no kind.
    """
    which = list(which)
    known = {*DEFECTS, *(one.kind for one in DEFECTS.values())}
    for name in which:
        if name not in known:
            raise unknown_name("defect or kind of defect", name, sorted(known))
    return [one for one in DEFECTS.values() if not which or one.name in which or one.kind in which]


def run_defect(
    one: Defect, manifests: Path, *, seed: int = 1, num_envs: int = 128, iterations: int = 60, to_the_end: bool = False
) -> Outcome:
    """Train with a defect until an alert names it.

    Args:
        one: What is planted.
        manifests: Root of the manifests.
        seed: Of the run.
        num_envs: Environments.
        iterations: PPO iterations at most.
        to_the_end: Go on after it was found.
    """
    outcome = Outcome(one.name, seed, one)
    return _run(outcome, one.task, manifests, one.overrides, num_envs, iterations, to_the_end)


def run_clean(
    task_name: str,
    manifests: Path,
    *,
    seed: int = 1,
    num_envs: int = 128,
    iterations: int = 60,
    overrides: Sequence[str] = (),
) -> Outcome:
    """Train without a defect: every alert is false."""
    return _run(Outcome(task_name, seed), task_name, manifests, overrides, num_envs, iterations, True)


def _run(
    outcome: Outcome,
    task_name: str,
    manifests: Path,
    overrides: Sequence[str],
    num_envs: int,
    iterations: int,
    on: bool,
) -> Outcome:
    start = time.perf_counter()
    sizes = (f"training.num_envs={num_envs}", f"training.max_iterations={iterations}", f"seed={outcome.seed}")
    with contextlib.ExitStack() as stack:
        try:
            manifest: Manifest = compose_manifest(manifests, task_name, [*SHORT, *sizes, *overrides])
            env = load_engine("mujoco").make_env(manifest, device="cpu", num_threads=1)
            stack.callback(env.close)
            runner = TrainRunner(SurefootVecEnv(env), manifest, None)
            if outcome.defect is not None:
                try:
                    outcome.defect.plant(runner)
                except SurefootError as error:  # an engine that refuses the patch has found nothing
                    outcome.crashed = f"not planted: {error}"
                    return outcome
            _follow(runner, outcome, on)
            runner.train(iterations)
        except AlertStop:
            pass
        except SurefootError as error:
            outcome.refused = str(error)
        except Exception as error:  # a defect may end in any error, and a patch may be wrong itself
            outcome.crashed = f"{type(error).__name__}: {error}"
    outcome.seconds = time.perf_counter() - start
    return outcome


def _follow(runner: TrainRunner, outcome: Outcome, on: bool) -> None:
    """Keep every alert, and end the run with the first that is right."""
    end_iteration = runner.audit.end_iteration

    def keep(iteration: int, *args: Any, **kwargs: Any) -> Any:
        audited = end_iteration(iteration, *args, **kwargs)
        outcome.iterations = iteration
        outcome.alerts += audited.alerts
        if outcome.found is not None and not on:
            runner.interrupted = True
        return audited

    runner.audit.end_iteration = keep


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown: each defect with the alert that found it; then the count, and false alarms of clean runs."""
    planted = [outcome for outcome in outcomes if outcome.defect is not None]
    lines = ["| kind | defect | found by | iteration | also raised before |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(outcome.name for outcome in planted):
        lines.append(_row([outcome for outcome in planted if outcome.name == name]))
    found = sum(outcome.found is not None or outcome.was_refused for outcome in planted)
    lines += ["", f"{found} of {len(planted)} runs with a defect were found."] if planted else []
    clean = [outcome for outcome in outcomes if outcome.defect is None]
    if clean:
        false = [(outcome, alert) for outcome in clean for alert in outcome.alerts]
        iterations = sum(outcome.iterations for outcome in clean)
        lines += ["", f"{len(false)} alerts in {len(clean)} clean runs of {iterations} iterations together."]
        lines += [
            f"- {o.name}, seed {o.seed}, iteration {a.iteration}: {a.kind} ({a.subject}): {a.message}" for o, a in false
        ]
        ended = [(outcome, outcome.refused or outcome.crashed) for outcome in clean]
        lines += [f"- {o.name}, seed {o.seed}: ended early: {why}" for o, why in ended if why]
    return "\n".join(lines)


def _row(outcomes: Sequence[Outcome]) -> str:
    defect = outcomes[0].defect
    assert defect is not None
    by = dict.fromkeys(_by(outcome) for outcome in outcomes)
    after = ", ".join(_after(outcome) for outcome in outcomes)
    others = dict.fromkeys(
        alert.kind for outcome in outcomes for alert in _before(outcome) if not names(alert, defect.place)
    )
    return f"| {defect.kind} | `{defect.name}` | {', '.join(by)} | {after} | {', '.join(others)} |"


def _by(outcome: Outcome) -> str:
    if outcome.found is not None:
        return f"`{outcome.found.kind}` ({outcome.found.subject})".replace("|", "/")
    return "the run was ended, with the reason" if outcome.was_refused else "**not found**"


def _after(outcome: Outcome) -> str:
    if outcome.found is not None:
        return str(outcome.found.iteration)
    return str(outcome.iterations) if outcome.was_refused else "-"


def _before(outcome: Outcome) -> list[Alert]:
    found = outcome.found
    return [alert for alert in outcome.alerts if found is None or alert.iteration < found.iteration]


def line(outcome: Outcome) -> str:
    """One run in one line."""
    alerts = ", ".join(f"{alert.kind}({alert.subject})@{alert.iteration}" for alert in outcome.alerts)
    verdict = f"found by {_by(outcome)} @{_after(outcome)}" if outcome.defect is not None else "clean"
    ended = outcome.refused or outcome.crashed
    return f"{outcome.name} seed {outcome.seed}: {verdict}; {outcome.iterations} iterations; {alerts} {ended}"
