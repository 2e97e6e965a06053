"""What a person sees of a run: a console line an iteration, a table now and then, TensorBoard or W&B scalars."""

import math
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from surefoot.audit.accounts.metrics import AxisNames, Flush
from surefoot.audit.accounts.tags import scalars_of
from surefoot.audit.alerts import learning
from surefoot.audit.record.console import alert_lines, summary_lines
from surefoot.audit.record.writer import ResilientWriter
from surefoot.jobs import show_result
from surefoot.jobs.job import Result
from surefoot.rl.run_audit import AuditedIteration

TABLE_EVERY = 50
"""Iterations between two tables of terms, causes and buckets."""


class Progress:
    """Prints one line an iteration and writes the scalars.

    Args:
        writer: Gets the scalars.
        quiet: Print alerts only.
    """

    def __init__(self, writer: ResilientWriter | None, quiet: bool = False) -> None:
        self._writer = writer
        self._quiet = quiet
        self._recent: deque[float] = deque(maxlen=20)

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
        if self._writer is not None:
            for tag, value in scalars_of(flush, axes).items():
                self._writer.add_scalar(tag, value, done)
            self._writer.add_scalar("Run/samples_per_s", batch / seconds, done)
        lines = alert_lines(audited.alerts)
        if not self._quiet:
            lines.insert(0, self._line(done, until, batch, seconds, flush, axes))
            if done % TABLE_EVERY == 0 or done == until:
                lines += summary_lines(flush, axes)
        if lines:
            print("\n".join(lines), flush=True)

    def show_events(self, results: Sequence[Result], run: Path) -> None:
        """Report results of events, at the iteration of their checkpoints; pictures are in the run folder."""
        for result in results:
            if self._writer is not None:
                for tag, value in show_result.scalars(result).items():
                    self._writer.add_scalar(tag, value, result.job.iteration)
                for tag, path in show_result.pictures(run, result).items():
                    self._writer.add_picture(tag, path, result.job.iteration)
            print("\n".join(show_result.lines(result)), flush=True)

    def close(self) -> None:
        """Flush the writer."""
        if self._writer is not None:
            self._writer.close()

    def _line(self, done: int, until: int, batch: int, seconds: float, flush: Flush, axes: AxisNames) -> str:
        eta = (until - done) * sum(self._recent) / len(self._recent)
        share = flush["termination/primary_share"].tolist()
        ends = "  ".join(f"{name} {value:.0%}" for name, value in zip(axes["cause"], share, strict=True) if value > 0)
        return (
            f"{done:>5}/{until}  {batch / seconds:>6.0f} samples/s ({_shares(flush, seconds)})  "
            f"reward {_value(flush, 'reward/total_per_s'):+.2f}/s  "
            f"episode {_value(flush, 'termination/length_mean'):4.1f} s  "
            f"std {_value(flush, 'learning/action_std'):.2f}  lr {_value(flush, 'learning/learning_rate'):.1e}  "
            f"[{ends}]  ETA {_clock(eta)}"
        )


def _value(flush: Flush, name: str) -> float:
    return float(flush[name]) if name in flush else math.nan


def _shares(flush: Flush, seconds: float) -> str:
    physics, env = _value(flush, learning.PHYSICS), _value(flush, learning.ENV)
    learn, audit = _value(flush, learning.LEARN), _value(flush, learning.AUDIT)
    parts = {"env": env} if math.isnan(physics) else {"physics": physics, "env": env - physics}
    parts |= {"policy": seconds - env - learn - audit, "learning": learn, "accounts": audit}
    return " ".join(f"{name} {value / seconds:.0%}" for name, value in parts.items())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
