"""Planted gains and delays are found, within their intervals; what the motion does not show is not claimed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_log import held_targets, joined, log_of
from surefoot.errors import TraceError
from surefoot.traces.estimate import estimate_gains
from surefoot.traces.header import SignalInfo

STEP = 0.002


def walking(seed: int, kp: float, kd: float, delay: float, **options):
    """4 s of a gait with targets at 50 Hz."""
    rng = np.random.default_rng(seed)
    targets = held_targets(rng, 2000, STEP, 0.02, 0.3)
    return log_of(targets, kp, kd, delay, rng, **options)


@given(st.integers(0, 10**6), st.floats(10, 100), st.floats(0.2, 4), st.integers(0, 10), st.floats(0.05, 0.4))
@settings(max_examples=15)
def test_planted_laws_are_found(seed: int, kp: float, kd: float, late: int, noise: float):
    found = estimate_gains(walking(seed, kp, kd, late * STEP, torque_noise=noise, jitter=2e-4))
    assert found.stiffness.identified and found.damping.identified, (found.stiffness, found.damping)
    assert found.stiffness.value == pytest.approx(kp, rel=0.03)
    assert found.damping.value == pytest.approx(kd, rel=0.06, abs=0.03)
    assert found.delay.identified, found.delay
    assert found.delay.value == pytest.approx(late * STEP, abs=STEP)  # one step of the log


def test_intervals_cover_the_truth():
    """95 % intervals: of 24 cases, 19 or more (fewer has a probability below 1 in 500 at 95 %)."""
    inside = 0
    for seed in range(24):
        found = estimate_gains(walking(seed, 40.0, 1.0, 0.006, torque_noise=1.0)).stiffness
        inside += found.interval[0] <= 40.0 <= found.interval[1]
    assert inside >= 19


def test_a_standing_robot_tells_neither_gains_nor_delay():
    rng = np.random.default_rng(0)
    found = estimate_gains(log_of(np.zeros((2000, 12)), 35, 0.5, 0.004, rng, load=0.0))
    assert not found.stiffness.identified and not found.damping.identified
    assert "cannot be identified" in str(found.stiffness)
    assert found.delay.reason == "targets do not move"


def test_a_loaded_but_held_robot_tells_gains_and_no_delay():
    rng = np.random.default_rng(0)
    found = estimate_gains(log_of(np.zeros((2000, 12)), 35, 0.5, 0.004, rng, load=4.0))
    assert found.stiffness.value == pytest.approx(35, rel=0.02)
    assert found.delay.reason == "targets do not move"


def test_damping_alone_has_a_stiffness_of_zero():
    rng = np.random.default_rng(1)
    found = estimate_gains(log_of(np.zeros((2000, 12)), 0.0, 5.0, 0.0, rng, load=4.0))
    assert found.stiffness.identified and found.stiffness.interval[0] <= 0 <= found.stiffness.interval[1]
    assert found.damping.value == pytest.approx(5.0, rel=0.03)


def test_targets_that_hardly_move_leave_the_delay_open():
    rng = np.random.default_rng(2)
    targets = held_targets(rng, 2000, STEP, 0.02, 0.0005)
    found = estimate_gains(log_of(targets, 35, 0.5, 0.006, rng, load=4.0, torque_noise=0.5))
    assert found.stiffness.identified and not found.delay.identified


def test_torque_of_another_law_is_not_explained():
    trace = walking(3, 35, 0.5, 0.0)
    trace.signals["tau"][:] = np.random.default_rng(0).normal(size=trace.signals["tau"].shape)
    assert "explains" in estimate_gains(trace).stiffness.reason


def test_computed_torque_is_refused():
    trace = walking(3, 35, 0.5, 0.0)
    trace.header.signals["tau"] = SignalInfo(origin="computed", source="tau")
    assert "computed by a host" in estimate_gains(trace).stiffness.reason


def test_torque_that_the_law_gives_exactly_was_computed():
    """Whatever its profile says; written with three decimals too. A simulator's torque is its law."""
    trace = walking(3, 35, 0.5, 0.0)
    law = 20 * (trace.signals["q_des"] - trace.signals["q"]) - 0.5 * trace.signals["dq"]
    for tau in (law, np.round(law, 3)):
        trace.signals["tau"][:] = tau
        assert "gives the torque exactly" in estimate_gains(trace).stiffness.reason
    trace.header.signals["tau"] = SignalInfo(origin="simulated", source="tau")
    assert estimate_gains(trace).stiffness.value == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize("share", [0.7, 0.4])
def test_torque_at_a_limit_does_not_lower_the_gains(share: float):
    """Half of the samples and more are at the lower limit; with them the stiffness would be 23 of 35."""
    trace = walking(3, 35, 0.5, 0.0)
    limit = share * np.abs(trace.signals["tau"]).max()
    trace.signals["tau"][:] = trace.signals["tau"].clip(-limit, limit)
    found = estimate_gains(trace)
    assert found.stiffness.value == pytest.approx(35, rel=0.01) and found.damping.value == pytest.approx(0.5, rel=0.02)


def test_gains_of_another_sign_are_not_claimed():
    trace = walking(3, 35, 0.5, 0.0)
    trace.signals["dq"][:] *= -1
    found = estimate_gains(trace)
    assert found.stiffness.identified and "has another sign" in found.damping.reason
    trace.signals["tau"][:] *= -1
    assert "has another sign" in estimate_gains(trace).stiffness.reason


def test_too_short_and_missing():
    trace = walking(3, 35, 0.5, 0.0)
    assert "blocks of 0.2 s; 6 needed" in estimate_gains(trace, 0, 0.5).stiffness.reason
    assert "0 samples" in estimate_gains(trace, 100, 200).stiffness.reason
    del trace.signals["tau"]
    with pytest.raises(TraceError, match=r"estimating gains needs q, dq, tau, q_des; missing: tau"):
        estimate_gains(trace)


def test_missing_samples_and_the_order_of_joints_do_not_matter():
    trace = walking(4, 35, 0.5, 0.004)
    whole = estimate_gains(trace)
    turned = estimate_gains(trace, joints=trace.header.joints[::-1])
    assert turned.stiffness.value == pytest.approx(whole.stiffness.value, rel=1e-9)
    trace.signals["tau"][100:200] = np.nan
    assert estimate_gains(trace).stiffness.value == pytest.approx(35, rel=0.03)


def test_two_laws_in_one_stretch_are_told_apart_by_stretches():
    both = joined(walking(5, 20, 0.5, 0.0), walking(6, 60, 0.5, 0.0))
    assert estimate_gains(both, 0, 4).stiffness.value == pytest.approx(20, rel=0.03)
    assert estimate_gains(both, 4, 8).stiffness.value == pytest.approx(60, rel=0.03)
