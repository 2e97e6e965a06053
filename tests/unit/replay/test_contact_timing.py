import numpy as np
import pytest

from surefoot.replay.contact_timing import contact_timing, events, matched, standing, thresholds
from surefoot.replay.windows import cut_windows
from surefoot.traces import Trace
from trace_cases import trace_of

MS = 1_000_000
DT = 0.005
FEET = ("FR", "FL", "RR", "RL")


def stance(time: np.ndarray, phase: float = 0.0) -> np.ndarray:
    """Steps of 0.5 s, on the ground for 0.3 s of each."""
    return np.mod(time + 1e-9 - phase, 0.5) < 0.3


def walked(seconds: float = 4.0, late: float = 0.0, force: bool = True, step_ms: int = 5) -> Trace:
    """Diagonal feet together; the log's contacts come `late` s after the gait's."""
    name = "foot_force" if force else "foot_contact"
    trace = trace_of(round(seconds * 1000 / step_ms) + 1, ("q", name), step_ns=step_ms * MS)
    for foot, phase in enumerate((0.0, 0.25, 0.25, 0.0)):
        touches = stance(trace.time, phase + late)
        trace.signals[name][:, foot] = np.where(touches, 60.0, 18.0) if force else touches
    return trace


def compared(trace: Trace, order: tuple[str, ...] = FEET):
    """Against a simulation that keeps the gait's time exactly, in windows of 1 s."""
    windows = cut_windows(trace, num_steps=50, step_dt=0.02, needs=("q",))
    moments = trace.time[windows.start][None, :] + DT * np.arange(200)[:, None]
    phases = dict(zip(FEET, (0.0, 0.25, 0.25, 0.0), strict=True))
    simulated = np.stack([stance(moments, phases[name]) for name in order], axis=2)
    return contact_timing(trace, windows, simulated, DT, FEET)


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("late", [0.0, 0.02, -0.035])
def test_a_log_that_is_late_is_late_by_that_much(late: float, force: bool) -> None:
    timing = compared(walked(late=late, force=force))
    # A crossing of 18 to 60 at 30 % and 15 % lies up to half a sample beside the middle, where a flag changes.
    assert np.median(timing.errors) == pytest.approx(-late, abs=0.002 if force else 1e-6)
    assert timing.unmatched == 0
    for foot in timing.feet.values():
        assert foot.log_events > 0 and foot.duty == pytest.approx((0.6, 0.6), abs=0.01)


def test_a_log_half_a_step_late_has_no_counterparts() -> None:
    """Landings at 0.25 s where the simulation lands at 0: nothing within 60 ms."""
    timing = compared(walked(late=0.25))
    assert timing.unmatched > 0.9 and len(timing.errors) == 0


def test_feet_go_by_name_and_swapped_ones_are_seen() -> None:
    assert compared(walked()).unmatched == 0
    assert compared(walked(), order=("FL", "FR", "RR", "RL")).feet["FR"].unmatched_sim > 0


def test_duty_factor_of_a_foot_that_stands_longer() -> None:
    """0.4 s of 0.5 s in the log, 0.3 s in the simulation: lift-offs 100 ms apart are not the same event.

    Of each second one landing (the other is at its start) and two lift-offs count.
    """
    trace = walked()
    trace.signals["foot_force"][:, 0] = np.where(np.mod(trace.time + 1e-9, 0.5) < 0.4, 60.0, 18.0)
    foot = compared(trace).feet["FR"]
    assert foot.duty == pytest.approx((0.8, 0.6), abs=0.01)
    assert (foot.log_events, foot.unmatched_log, foot.sim_events, foot.unmatched_sim) == (12, 8, 12, 8)
    assert len(foot.errors) == 4


def test_hysteresis_and_the_line_between_samples() -> None:
    """Up through 30 between 20 and 40 at 0.5 of the step, down through 25 between 40 and 10 likewise; 27 is neither."""
    time = np.arange(8) * 0.1
    first, found = events(time, np.array([20.0, 40.0, 27.0, 31.0, 40.0, 10.0, 27.0, 20.0]), lands=30.0, lifts=25.0)
    assert not first
    assert found[True] == pytest.approx([0.05]) and found[False] == pytest.approx([0.45])
    assert standing(first, found, np.array([0.0, 0.06, 0.44, 0.46])).tolist() == [False, True, True, False]


def test_a_bounce_shorter_than_20_ms_is_no_event() -> None:
    time = np.arange(100) * 0.005
    values = np.zeros(100)
    values[40:43] = 1.0  # 15 ms
    values[60:65] = 1.0  # 25 ms
    _, found = events(time, values, 0.5, 0.5)
    assert found[True] == pytest.approx([0.2975]) and found[False] == pytest.approx([0.3225])


def test_matching_takes_the_nearest_first_and_each_event_once() -> None:
    assert sorted(matched(np.array([0.0, 0.05]), np.array([0.04]))) == [(1, 0)]
    assert matched(np.array([0.0]), np.array([0.07])) == []
    assert sorted(matched(np.array([0.0, 1.0]), np.array([0.01, 0.97]))) == [(0, 0), (1, 1)]


def test_thresholds_of_an_uncalibrated_sensor() -> None:
    """Unloaded 20, loaded 60: 30 and 15 % of the way are 32 and 26."""
    assert thresholds(np.repeat([20.0, 60.0], 50)) == pytest.approx((32.0, 26.0))


def test_a_foot_that_always_stands_or_a_dead_flag_is_not_compared() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="cannot be told apart"):
        thresholds(rng.normal(40.0, 2.0, 1000))
    with pytest.raises(ValueError, match=r"on the ground 0.5% of the time"):
        thresholds(np.eye(1, 200)[0], flag=True)
    trace = walked()
    trace.signals["foot_force"][:, 1] = 40.0
    timing = compared(trace)
    assert "cannot be told apart" in timing.feet["FL"].why_not and timing.feet["FR"].why_not == ""


def test_a_log_without_foot_signals_says_nothing() -> None:
    trace = trace_of(401, ("q",), step_ns=5 * MS)
    windows = cut_windows(trace, num_steps=50, step_dt=0.02, needs=("q",))
    timing = contact_timing(trace, windows, np.zeros((200, len(windows), 4), dtype=bool), DT, FEET)
    assert timing.source == "" and timing.feet == {} and np.isnan(timing.unmatched)


def test_a_foot_that_the_trace_does_not_have_is_not_compared() -> None:
    trace = walked()
    windows = cut_windows(trace, num_steps=50, step_dt=0.02, needs=("q",))
    timing = contact_timing(trace, windows, np.zeros((200, len(windows), 1), dtype=bool), DT, ("left",))
    assert timing.feet["left"].why_not == "the trace has FR, FL, RR, RL"
