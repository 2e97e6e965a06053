"""When feet land and lift off: the log against the simulation.

Axis letters: T samples, F feet, K physics steps of a window, W windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surefoot.replay.windows import Windows
from surefoot.traces.trace import FloatArray, Trace

LANDS, LIFTS = 0.3, 0.15
"""Shares of the way from a foot's unloaded to its loaded sensor value: above the first it has landed, below the second
it has lifted off."""
QUIET = 6.0
"""A sensor says something if loaded and unloaded differ by at least so many median changes from sample to sample."""
RAREST = 0.05
"""Share of time; a flag that is on or off more rarely says nothing of a robot that walks."""
SHORTEST = 0.02
"""s; shorter phases of stance or swing are taken for bouncing."""
REACH = 0.06
"""s; events of the same kind further apart than this are not the same event."""

Events = dict[bool, FloatArray]
"""Times of landing (True) and lifting off (False), s, rising."""


@dataclass(frozen=True)
class FootTiming:
    """One foot in the log and in the simulation.

    Attributes:
        duty: Share of time on the ground in the log, in the simulation.
        errors: s, simulation minus log, of every matched event.
        log_events, unmatched_log: Events of the log that count, and those without one in the simulation.
        sim_events, unmatched_sim: The reverse.
        why_not: Reason why the log says nothing about this foot; empty where it does.
    """

    duty: tuple[float, float] = (np.nan, np.nan)
    errors: FloatArray = field(default_factory=lambda: np.zeros(0))
    log_events: int = 0
    unmatched_log: int = 0
    sim_events: int = 0
    unmatched_sim: int = 0
    why_not: str = ""


@dataclass(frozen=True)
class ContactTiming:
    """All feet.

    Attributes:
        source: Signal of the log that contact was taken from; empty without one.
        feet: By name.
    """

    source: str
    feet: dict[str, FootTiming]

    @property
    def errors(self) -> FloatArray:
        """s, simulation minus log, of the matched events of all feet."""
        return np.concatenate([np.zeros(0), *(foot.errors for foot in self.feet.values())])

    @property
    def unmatched(self) -> float:
        """Share of events, of the log and of the simulation, that have no counterpart; NaN without events."""
        count = sum(foot.log_events + foot.sim_events for foot in self.feet.values())
        alone = sum(foot.unmatched_log + foot.unmatched_sim for foot in self.feet.values())
        return alone / count if count else np.nan


def contact_signal(trace: Trace) -> str:
    """The log's signal that contact is taken from: the sensor before what the robot's software made of it; or empty."""
    return next((name for name in ("foot_force", "foot_contact") if trace.has(name)), "")


def thresholds(values: FloatArray, flag: bool = False) -> tuple[float, float]:
    """Values above which a foot lands and below which it lifts off.

    Args:
        values: Of one foot's sensor, any unit. Shape (T,).
        flag: 0 and 1 instead of a force.

    Raises:
        ValueError: They do not tell stance from swing.
    """
    finite = values[np.isfinite(values)]
    if flag:
        share = float((finite > 0.5).mean()) if len(finite) else np.nan
        if not RAREST <= share <= 1 - RAREST:
            raise ValueError(f"on the ground {share:.1%} of the time, as the log has it")
        return 0.5, 0.5
    if len(finite) < 2:
        raise ValueError("no samples")
    # Quantiles, because a peak at touchdown is no load and a spike no rest.
    rest, most = np.quantile(finite, (0.05, 0.95))
    upper = finite[finite > 0.5 * (rest + most)]
    load = float(np.median(upper)) if len(upper) else float(most)
    # The median: a few large changes at touchdown and lift-off are no noise.
    noise = float(np.median(np.abs(np.diff(finite))))
    if load - rest <= QUIET * noise or load == rest:
        raise ValueError(f"{load:.3g} loaded and {rest:.3g} unloaded cannot be told apart at changes of {noise:.2g}")
    return rest + LANDS * (load - rest), rest + LIFTS * (load - rest)


def events(time: FloatArray, values: FloatArray, lands: float, lifts: float) -> tuple[bool, Events]:
    """Whether a foot stands at first, and when it lands and lifts off: where the line between samples crosses.

    Args:
        time: s. Shape (T,).
        values: Shape (T,); NaN leaves the state as it was.
        lands: Threshold upwards.
        lifts: Threshold downwards, at most `lands`.
    """
    valid = np.isfinite(values)
    time, values = time[valid], values[valid]
    # Between the thresholds (-1) a foot is what it was: hysteresis against chatter.
    mark = np.where(values > lands, 1, np.where(values < lifts, 0, -1))
    clear = np.flatnonzero(mark >= 0)
    if len(clear) == 0:
        return False, {True: np.zeros(0), False: np.zeros(0)}
    first = bool(mark[clear[0]])
    changes = clear[1:][np.diff(mark[clear]) != 0]
    limit = np.where(mark[changes] == 1, lands, lifts)
    before, after = values[changes - 1], values[changes]
    at = time[changes - 1] + (limit - before) / (after - before) * (time[changes] - time[changes - 1])
    return first, _alternating(first, at)


def _alternating(first: bool, at: FloatArray) -> Events:
    """Split changes into kinds, without phases that are too short: each takes both of its ends with it."""
    kept: list[float] = []
    for moment in at:
        # 1e-9: phases are differences of sums of physics steps.
        if kept and moment - kept[-1] < SHORTEST - 1e-9:
            # Both ends of a short phase go, or landings and lift-offs would no longer alternate.
            kept.pop()
        else:
            kept.append(float(moment))
    changes = np.array(kept)
    return {not first: changes[0::2], first: changes[1::2]}


def standing(first: bool, found: Events, time: FloatArray) -> NDArray[np.bool_]:
    """Whether the foot stands at some times. Shape of `time`."""
    ups, downs = (np.searchsorted(found[kind], time, side="right") for kind in (True, False))
    return (ups - downs + int(first)) > 0


def matched(log: FloatArray, sim: FloatArray) -> list[tuple[int, int]]:
    """Pairs of events within `REACH` of each other, each event in one at most, the nearest first."""
    if len(log) == 0 or len(sim) == 0:
        return []
    distance = np.abs(sim[None, :] - log[:, None])
    near = np.argwhere(distance <= REACH + 1e-9)
    near = near[np.argsort(distance[near[:, 0], near[:, 1]], kind="stable")]
    taken: tuple[set[int], set[int]] = (set(), set())
    pairs: list[tuple[int, int]] = []
    for mine, theirs in near.tolist():
        if mine not in taken[0] and theirs not in taken[1]:
            taken[0].add(mine)
            taken[1].add(theirs)
            pairs.append((mine, theirs))
    return pairs


def contact_timing(
    trace: Trace, windows: Windows, simulated: NDArray[np.bool_], dt: float, feet: Sequence[str]
) -> ContactTiming:
    """Compare contact over all windows.

    An event counts if it is further than `REACH` from both ends of its window, so that its counterpart could have been
    seen; counterparts may lie anywhere.

    Args:
        trace: With `foot_force` or `foot_contact`.
        windows: As replayed.
        simulated: Of one bucket, whether each foot touches at the start of each physics step. Shape (K, W, F).
        dt: s, physics step.
        feet: Names, in the order of `simulated`.
    """
    source = contact_signal(trace)
    compared: dict[str, FootTiming] = {}
    for index, name in enumerate(feet if source else ()):
        if name not in trace.header.feet:
            compared[name] = FootTiming(why_not=f"the trace has {', '.join(trace.header.feet)}")
            continue
        values, flag = trace.get(source, [name])[:, 0], source == "foot_contact"
        compared[name] = _foot(trace.time, values, windows, simulated[:, :, index], dt, flag)
    return ContactTiming(source, compared)


def _foot(
    time: FloatArray, values: FloatArray, windows: Windows, simulated: NDArray[np.bool_], dt: float, flag: bool
) -> FootTiming:
    try:
        first, log = events(time, values, *thresholds(values, flag))
    except ValueError as error:
        return FootTiming(why_not=str(error))
    errors: list[float] = []
    counts = np.zeros(4, dtype=int)
    stands = np.zeros(2)
    for start, touches in zip(time[windows.start], simulated.T, strict=True):
        moments = start + dt * np.arange(len(touches))
        at_first, sim = events(moments, touches.astype(float), 0.5, 0.5)
        stands += standing(first, log, moments).mean(), standing(at_first, sim, moments).mean()
        inside = (start + REACH, start + windows.num_steps * windows.step_dt - REACH)
        for kind in (True, False):
            found, count = _window(log[kind], sim[kind], inside)
            errors += found
            counts += count
    duty = (float(stands[0] / len(windows)), float(stands[1] / len(windows)))
    of_log, alone_log, of_sim, alone_sim = (int(count) for count in counts)
    return FootTiming(duty, np.array(errors), of_log, alone_log, of_sim, alone_sim)


def _window(log: FloatArray, sim: FloatArray, inside: tuple[float, float]) -> tuple[list[float], NDArray[np.int64]]:
    """Errors of matched events; events of the log and unmatched ones, the same of the simulation."""
    # Twice the reach: an event just outside may have its counterpart inside, and must be there to claim it.
    log = log[(log >= inside[0] - 2 * REACH) & (log <= inside[1] + 2 * REACH)]
    pairs = matched(log, sim)
    counts = [(inside[0] <= times) & (times <= inside[1]) for times in (log, sim)]
    errors = [float(sim[theirs] - log[mine]) for mine, theirs in pairs if counts[0][mine]]
    alone = [np.setdiff1d(np.flatnonzero(inner), [pair[side] for pair in pairs]) for side, inner in enumerate(counts)]
    return errors, np.array([counts[0].sum(), len(alone[0]), counts[1].sum(), len(alone[1])])
