"""What a log's robot was commanded and shoved, as conditions of environments.

Axis letters: B buckets.
"""

import math
from dataclasses import replace

import numpy as np
import torch

from surefoot.randomization.conditions import Conditions, Kicks, Timetable
from surefoot.replay.trace_run import bucket_conditions
from surefoot.replay.windows import Windows, last_given
from surefoot.traces.card import TraceCard
from surefoot.traces.trace import FloatArray, Trace


def log_conditions(
    values: dict[str, FloatArray], trace: Trace, window: Windows, card: TraceCard | None = None
) -> Conditions:
    """One environment in each bucket, all under the commands and perturbations of one stretch of a log.

    Args:
        values: Of the buckets' factors. Shape (B,) each.
        trace: The log, with signal `command`.
        window: The stretch.
        card: Of the log: its perturbations.
    """
    conditions = bucket_conditions(values, windows=1)
    start, seconds = float(trace.time[window.start[0]]), window.num_steps * window.step_dt
    return replace(
        conditions,
        timetable=_timetable(trace, window, conditions.num_envs),
        kicks=kicks_of(card, start, seconds, conditions.num_envs),
    )


def _timetable(trace: Trace, window: Windows, buckets: int) -> Timetable:
    """The log's commands, an entry for each change."""
    commands = last_given(trace, window, trace.signals["command"], dt=window.step_dt, count=window.num_steps)[:, 0]
    # The first command is always an entry: before it there is none to go on.
    changed = np.concatenate([[True], (np.diff(commands, axis=0) != 0).any(axis=1)])
    times = torch.tensor(np.flatnonzero(changed) * window.step_dt, dtype=torch.float32)
    table = torch.tensor(commands[changed], dtype=torch.float32)
    return Timetable(times.expand(buckets, -1).contiguous(), table.expand(buckets, -1, -1).contiguous())


def kicks_of(card: TraceCard | None, start: float, seconds: float, buckets: int) -> Kicks:
    """The card's perturbations that fall into a stretch of the log, the same for each bucket.

    Args:
        card: Of the log, if there is one.
        start: Of the stretch, s since the log's first sample.
        seconds: How long it is.
        buckets: Number of environments.
    """
    all_of_it = card.perturbations if card is not None else ()
    inside = [shove for shove in all_of_it if start <= shove.at < start + seconds]
    # A kick at infinity is none, and keeps the shape where there are no shoves.
    at = torch.tensor([shove.at - start for shove in inside] or [math.inf], dtype=torch.float32)
    change = torch.tensor([[*shove.lin_vel, shove.ang_vel_z] for shove in inside] or [[0.0] * 3], dtype=torch.float32)
    phase = torch.full_like(at, math.nan)  # it came when it came, whatever the gait
    return Kicks(*(row.expand(buckets, *row.shape).contiguous() for row in (at, phase, change)))
