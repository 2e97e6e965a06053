"""What a person sees of a run: one updating line on a terminal, a line now and then in a log, tables, scalars."""

import math
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from surefoot.audit.accounts.metrics import AxisNames, Flush
from surefoot.audit.accounts.tags import clean, scalars_of
from surefoot.audit.alerts import learning
from surefoot.audit.record.console import alert_lines, summary_lines
from surefoot.audit.record.writer import ResilientWriter
from surefoot.jobs import show_result
from surefoot.jobs.job import Result
from surefoot.manifest import Manifest
from surefoot.reporting import say
from surefoot.rl.run_audit import AuditedIteration

TABLE_EVERY = 50
"""Iterations between two tables of terms, causes and buckets."""
LINE_EVERY = 10
"""Iterations between two lines where the output is no terminal; the first has one too."""
WINDOW = 100
"""Episodes that success and return are means of, at least; RSL-RL's window has as many."""


class Progress:
    """Prints one line an iteration and writes the scalars.

    Args:
        writer: Gets the scalars.
        manifest: Says how long steps and episodes are, which the field's own tags are about; without it they are left
            out.
        quiet: Print alerts only.
    """

    def __init__(self, writer: ResilientWriter | None, manifest: Manifest | None = None, quiet: bool = False) -> None:
        self._writer = writer
        self._manifest = manifest
        self._quiet = quiet
        self._recent: deque[float] = deque(maxlen=20)
        self._episodes: deque[Flush] = deque()
        self._terminal = sys.stdout.isatty()

    @property
    def failures(self) -> int:
        """Attempts of the logger to write that failed since the start."""
        return self._writer.failures if self._writer is not None else 0

    def show(self, done: int, until: int, batch: int, audited: AuditedIteration, axes: AxisNames) -> None:
        """Report one iteration.

        Args:
            done: PPO iterations so far.
            until: PPO iterations at the end of the run.
            batch: Environment steps in this iteration.
            audited: Metrics and alerts.
            axes: Names along the axes of the metrics.
        """
        flush = audited.flush
        seconds = float(flush[learning.SECONDS])
        self._recent.append(seconds)
        self._remember(flush)
        if self._writer is not None:
            for tag, value in scalars_of(flush, axes).items():
                self._writer.add_scalar(tag, value, done)
            self._writer.add_scalar("Run/samples_per_s", batch / seconds, done)
            for tag, value in self._field_scalars(flush, axes, batch).items():
                self._writer.add_scalar(tag, value, done)
        lines = alert_lines(audited.alerts)
        if not self._quiet:
            table = done % TABLE_EVERY == 0 or done == until
            line = self._line(done, until, batch, seconds, flush, axes)
            if self._terminal:
                print(f"\r\x1b[K{line}", end="\n" if table or lines else "", flush=True)
            elif table or lines or done == 1 or done % LINE_EVERY == 0:
                lines.insert(0, line)
            if table:
                lines += [f"  time: {_shares(flush, seconds)}", *summary_lines(flush, axes)]
        if lines:
            say(*lines)

    def _remember(self, flush: Flush) -> None:
        """Keep iterations until the newest of them hold enough episodes."""
        if _value(flush, "episode/count") > 0:
            self._episodes.append(flush)
        while sum(_value(one, "episode/count") for one in list(self._episodes)[1:]) >= WINDOW:
            self._episodes.popleft()

    def _lately(self, name: str) -> float:
        """Mean over the episodes of the window; NaN before the first."""
        counts = [_value(one, "episode/count") for one in self._episodes]
        total = sum(count * _value(one, name) for count, one in zip(counts, self._episodes, strict=True))
        return total / sum(counts) if counts else math.nan

    def _field_scalars(self, flush: Flush, axes: AxisNames, batch: int) -> dict[str, float]:
        """The same numbers under the tags of RSL-RL, mjlab and Isaac Lab, so that runs overlay."""
        if self._manifest is None:
            return {}
        seconds, learn = float(flush[learning.SECONDS]), _value(flush, learning.LEARN)
        task, steps = self._manifest.task, self._manifest.ppo.num_steps_per_env
        out = {
            "Train/mean_reward": self._lately("episode/return_mean"),
            "Train/mean_episode_length": _value(flush, "termination/length_mean") / self._manifest.simulation.step_dt,
            "Loss/value": _value(flush, "learning/value_loss"),
            "Loss/surrogate": _value(flush, "learning/surrogate_loss"),
            "Loss/entropy": _value(flush, "learning/entropy"),
            "Loss/learning_rate": _value(flush, "learning/learning_rate"),
            "Policy/mean_std": _value(flush, "learning/action_std"),
            "Perf/total_fps": batch / seconds,
            "Perf/collection_time": seconds - learn,
            "Perf/learning_time": learn,
        }
        for name, value in zip(axes["term"], _values(flush, "reward/mean_per_episode"), strict=False):
            out[f"Episode_Reward/{clean(name)}"] = value / task.episode_length
        for name, value in zip(axes["cause"], _values(flush, "termination/primary"), strict=False):
            out[f"Episode_Termination/{clean(name)}"] = value / steps
        return {tag: value for tag, value in out.items() if math.isfinite(value)}

    def show_events(self, results: Sequence[Result], run: Path) -> None:
        """Report results of events, at the iteration of their checkpoints; pictures are in the run folder."""
        for result in results:
            if self._writer is not None:
                for tag, value in show_result.scalars(result).items():
                    self._writer.add_scalar(tag, value, result.job.iteration)
                for tag, path in show_result.pictures(run, result).items():
                    self._writer.add_picture(tag, path, result.job.iteration)
            say(*show_result.lines(result))

    def close(self) -> None:
        """Flush the writer."""
        if self._writer is not None:
            self._writer.close()

    def _line(self, done: int, until: int, batch: int, seconds: float, flush: Flush, axes: AxisNames) -> str:
        eta = (until - done) * sum(self._recent) / len(self._recent)
        share = flush["termination/primary_share"].tolist()
        ends = ", ".join(f"{name} {value:.0%}" for name, value in zip(axes["cause"], share, strict=True) if value > 0)
        length, success = _value(flush, "termination/length_mean"), self._lately("episode/success_rate")
        parts = [
            f"{done:>5}/{until}",
            f"{batch / seconds:>6,.0f} samples/s",
            f"reward {_value(flush, 'reward/total_per_s'):+.2f}/s",
            f"episode {length:.1f} s" if math.isfinite(length) else "",
            f"success {success:.0%}" if math.isfinite(success) else "",
            ends,
            f"{_clock(eta)} left",
        ]
        return "  ".join(filter(None, parts))


def _value(flush: Flush, name: str) -> float:
    return float(flush[name]) if name in flush else math.nan


def _values(flush: Flush, name: str) -> list[float]:
    return [float(value) for value in flush[name]] if name in flush else []


def _shares(flush: Flush, seconds: float) -> str:
    physics, env = _value(flush, learning.PHYSICS), _value(flush, learning.ENV)
    learn, audit = _value(flush, learning.LEARN), _value(flush, learning.AUDIT)
    parts = {"env": env} if math.isnan(physics) else {"physics": physics, "env": env - physics}
    parts |= {"policy": seconds - env - learn - audit, "learning": learn, "accounts": audit}
    return ", ".join(f"{name} {value / seconds:.0%}" for name, value in parts.items())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
