import numpy as np
import pytest

from surefoot.errors import TraceError
from surefoot.replay.windows import cut_windows, interpolated, interpolated_quat, last_given
from surefoot.traces import Trace
from surefoot.traces.card import Estimate, Gains, Segment, TraceCard
from trace_cases import trace_of

MS = 1_000_000


def line(samples: int, step_ms: int = 20) -> Trace:
    """Signal dq grows by 1 rad/s in a second, the same in all joints."""
    trace = trace_of(samples, ("q", "dq"), step_ns=step_ms * MS)
    trace.signals["dq"][:] = trace.time[:, None]
    return trace


def card_with(*segments: Segment) -> TraceCard:
    return TraceCard.model_construct(segments=segments)


def test_windows_lie_side_by_side_and_end_within_the_trace() -> None:
    """51 samples of 20 ms are 1.00 s: five windows of 0.2 s."""
    windows = cut_windows(line(51), num_steps=10, step_dt=0.02, needs=("q",))
    assert windows.start.tolist() == [0, 10, 20, 30, 40] and windows.dropped == {}


def test_one_sample_short_is_one_window_less() -> None:
    assert len(cut_windows(line(50), num_steps=10, step_dt=0.02, needs=("q",))) == 4


def test_a_stride_makes_windows_overlap() -> None:
    windows = cut_windows(line(51), num_steps=10, step_dt=0.02, needs=("q",), stride=20)
    assert windows.start.tolist() == [0, 20, 40]


def test_a_gap_a_missing_sample_and_a_segment_leave_windows_out_and_are_counted() -> None:
    trace = line(101)
    trace.stamp[15:] += 100 * MS  # in the second window
    trace.signals["q"][37, 3] = np.nan  # 0.84 s: in the fifth
    card = card_with(Segment(mode="policy", start=0.0, end=1.5), Segment(mode="damping", start=1.5, end=2.1))
    windows = cut_windows(trace, num_steps=10, step_dt=0.02, needs=("q",), card=card)
    time = trace.time
    for start in windows.start:
        inside = (time >= time[start] - 1e-9) & (time <= time[start] + 0.2 + 1e-9)
        assert np.isfinite(trace.signals["q"][inside]).all()
        assert np.diff(trace.stamp[inside]).max() == 20 * MS
        assert time[start] + 0.2 <= 1.5 + 1e-9
    assert windows.dropped["gap"] == 1 and windows.dropped["missing samples"] == 1 and windows.dropped["segment"] >= 2


def test_a_message_that_is_late_by_less_than_half_a_control_step_is_no_gap() -> None:
    """At 2 ms a step of 9 ms is none, one of 11 ms is."""
    for late, count in ((7, 5), (9, 4)):
        trace = line(510, step_ms=2)
        trace.stamp[150:] += late * MS
        windows = cut_windows(trace, num_steps=10, step_dt=0.02, needs=("q",))
        assert (len(windows), windows.dropped.get("gap", 0)) == (count, 5 - count)


def test_missing_samples_of_signals_that_the_mode_does_not_need_cost_nothing() -> None:
    trace = line(51)
    trace.signals["q"][:] = np.nan
    assert len(cut_windows(trace, num_steps=10, step_dt=0.02, needs=("dq",))) == 5


def test_no_window_left_says_why() -> None:
    trace = line(51)
    trace.signals["q"][::5] = np.nan
    with pytest.raises(TraceError, match=r"no window of 0\.2 s can be replayed \(5 for missing samples\)"):
        cut_windows(trace, num_steps=10, step_dt=0.02, needs=("q",))
    with pytest.raises(TraceError, match="the trace is too short"):
        cut_windows(line(5), num_steps=10, step_dt=0.02, needs=("dq",))


def test_between_samples_on_a_straight_line() -> None:
    trace = line(51)
    windows = cut_windows(trace, num_steps=10, step_dt=0.02, needs=("dq",))
    values = interpolated(trace, windows, trace.signals["dq"], dt=0.005, count=5)
    assert values.shape == (5, 5, 12)
    assert np.allclose(values[:, 1, 0], [0.2, 0.205, 0.21, 0.215, 0.22], atol=1e-12)


def test_a_time_at_a_sample_gives_the_sample_itself_whatever_its_neighbours_are() -> None:
    trace = line(51)
    trace.signals["dq"][9] = np.nan
    trace.signals["dq"][11] = np.nan
    windows = cut_windows(trace, num_steps=10, step_dt=0.02, needs=("q",))
    assert interpolated(trace, windows, trace.signals["dq"], dt=0.02, count=1)[0, 1, 0] == trace.signals["dq"][10, 0]


def test_a_command_is_held_until_the_next_one() -> None:
    trace = line(51)
    windows = cut_windows(trace, num_steps=10, step_dt=0.02, needs=("dq",))
    values = last_given(trace, windows, trace.signals["dq"], dt=0.005, count=6, first=-1)[:, 1, 0]
    assert values.tolist() == pytest.approx([0.18, 0.2, 0.2, 0.2, 0.2, 0.22])


def test_before_the_first_command_the_first_one_holds() -> None:
    trace = line(51)
    windows = cut_windows(trace, num_steps=10, step_dt=0.02, needs=("dq",))
    assert last_given(trace, windows, trace.signals["dq"], dt=0.005, count=3, first=-2)[:, 0, 0].tolist() == [0, 0, 0]


def test_quaternions_of_either_sign_are_one_orientation() -> None:
    """A turn about z at 1 rad/s whose stored sign flips at every sample."""
    trace = line(51)
    half = 0.5 * trace.time
    quat = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
    quat[::2] *= -1
    windows = cut_windows(trace, num_steps=10, step_dt=0.02, needs=("dq",))
    got = interpolated_quat(trace, windows, quat, dt=0.01, count=3)[:, 1]
    yaw = 2 * np.arctan2(got[:, 3], got[:, 0])
    assert np.allclose(np.angle(np.exp(1j * (yaw - [0.2, 0.21, 0.22]))), 0, atol=1e-9)


def test_fewer_windows_are_spread_over_all_of_them() -> None:
    windows = cut_windows(line(111), num_steps=10, step_dt=0.02, needs=("q",))
    assert len(windows) == 11 and windows.thinned(11) is windows
    few = windows.thinned(3)
    assert few.start.tolist() == [0, 50, 100] and few.dropped == {"more than asked for": 8}


def test_damping_counts_where_its_gains_are_known() -> None:
    """In the card's segment or, sample by sample, in the log."""
    gain = Estimate(value=5.0, unit="N m s/rad", known_by="stated")
    segment = Segment(mode="damping", start=0.0, end=1.0)
    known = segment.model_copy(update={"gains": Gains(stiffness=gain, damping=gain)})
    with pytest.raises(TraceError, match="5 for segment"):
        cut_windows(line(51), num_steps=10, step_dt=0.02, needs=("q",), card=card_with(segment))
    assert len(cut_windows(line(51), num_steps=10, step_dt=0.02, needs=("q",), card=card_with(known))) == 5
    logged = trace_of(51, ("q", "dq", "kp", "kd"), step_ns=20 * MS)
    assert len(cut_windows(logged, num_steps=10, step_dt=0.02, needs=("q",), card=card_with(segment))) == 5


def test_commands_that_a_delay_or_a_lead_asks_for_are_needed_too() -> None:
    """Row 19 is missing: before the third window (from row 20 on), and in the second."""
    trace = line(51)
    trace.signals["q"][19] = np.nan

    def starts(*reach: float) -> list[int]:
        how = {"commands": ("q",), "reach": reach} if reach else {}
        return cut_windows(trace, num_steps=10, step_dt=0.02, needs=("dq",), **how).start.tolist()

    assert starts() == [0, 10, 20, 30, 40]
    assert starts(0.0, 0.0) == [0, 20, 30, 40]
    assert starts(-0.005, 0.0) == [0, 30, 40]  # 5 ms before the third window row 19 is in force
    assert starts(0.0, 0.199) == [20, 30, 40]  # what is in force 199 ms after the first window's end
    trace.signals["q"][19] = 0.0
    trace.signals["q"][9] = np.nan
    assert starts(0.02, 0.02) == [10, 20, 30, 40]  # led by a row, the second window begins with row 11


def test_a_window_that_starts_without_a_state_is_left_out() -> None:
    trace = trace_of(51, ("dq", "imu_quat"), step_ns=20 * MS)
    trace.signals["imu_quat"][:] = [1.0, 0.0, 0.0, 0.0]
    trace.signals["imu_quat"][20] = 0.0  # no orientation
    trace.signals["imu_quat"][31] = np.nan
    found = cut_windows(trace, num_steps=10, step_dt=0.02, needs=("dq",), at_start=("imu_quat",))
    assert found.start.tolist() == [0, 10, 30, 40] and found.dropped == {"missing samples": 1}
    found = cut_windows(trace, num_steps=10, step_dt=0.02, needs=("imu_quat",))
    assert found.start.tolist() == [0, 40]  # row 20 ends a window too


def test_a_missing_quaternion_spoils_none_after_it() -> None:
    trace = trace_of(51, ("imu_quat",), step_ns=20 * MS)
    quat = np.tile([1.0, 0.0, 0.0, 0.0], (51, 1))
    quat[5], quat[30:] = np.nan, -quat[30:]
    windows = cut_windows(line(51), num_steps=10, step_dt=0.02, needs=("q",))
    got = interpolated_quat(trace, windows, quat, dt=0.01, count=21)
    assert np.isnan(got[:, 0]).any() and np.abs(got[:, 1:, 0]) == pytest.approx(1.0)
