"""Planted mode switches are found where they are, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_log import held_targets, joined, log_of
from surefoot.traces import Trace
from surefoot.traces.estimate import find_modes

STEP = 0.002


def part(mode: str, seconds: float, rng: np.random.Generator, kp: float, kd: float) -> Trace:
    """A stretch of one mode."""
    count = round(seconds / STEP)
    still = np.tile(np.linspace(-0.2, 0.2, 12), (count, 1))
    if mode == "policy":
        return log_of(held_targets(rng, count, STEP, 0.02, 0.3), kp, kd, 0.004, rng)
    if mode == "stand":
        return log_of(still, kp, kd, 0.004, rng, load=0.5)
    if mode == "damping":
        return log_of(still, 0.0, 5.0, 0.0, rng, load=3.0)
    stuck = log_of(still, kp, kd, 0.004, rng, load=0.0)
    targets = held_targets(rng, count, STEP, 0.02, 0.4)
    tau = kp * (targets - stuck.signals["q"]) + rng.normal(0, 0.05, targets.shape)
    return Trace(stuck.header, stuck.stamp, {**stuck.signals, "q_des": targets, "tau": tau})


MODES = ["stand", "policy", "damping"]


@given(
    st.lists(st.tuples(st.sampled_from(MODES), st.floats(1.5, 4.0)), min_size=1, max_size=4), st.integers(0, 10**6),
    st.floats(20, 80), st.floats(0.3, 2),
)  # fmt: skip
@settings(max_examples=12)
def test_planted_modes_are_found_within_50_ms(plan: list[tuple[str, float]], seed: int, kp: float, kd: float):
    plan = [item for at, item in enumerate(plan) if at == 0 or item[0] != plan[at - 1][0]]
    rng = np.random.default_rng(seed)
    found = find_modes(joined(*(part(mode, seconds, rng, kp, kd) for mode, seconds in plan)))
    assert [segment.mode for segment in found] == [mode for mode, _ in plan]
    end = 0.0
    for segment, (_, seconds) in zip(found, plan, strict=True):
        assert segment.start == pytest.approx(end, abs=0.05)
        end += round(seconds / STEP) * STEP
    assert found[-1].end == pytest.approx(end, abs=1e-3)
    assert all(segment.known_by == "estimated" and "R2" in segment.note for segment in found)


def test_joints_that_cease_to_follow_are_a_fault():
    rng = np.random.default_rng(0)
    found = find_modes(joined(part("policy", 3, rng, 35, 0.5), part("fault", 3, rng, 35, 0.5)))
    assert [segment.mode for segment in found] == ["policy", "fault"]
    assert found[1].start == pytest.approx(3.0, abs=0.6)  # twice the shortest mode
    assert found[0].valid and not found[1].valid


def test_a_changed_gain_within_one_mode_is_one_segment_of_that_mode():
    rng = np.random.default_rng(1)
    found = find_modes(joined(part("policy", 3, rng, 20, 0.5), part("policy", 3, rng, 60, 0.5)))
    assert [segment.mode for segment in found] == ["policy"]


def test_unknown_torque_is_an_unknown_mode():
    rng = np.random.default_rng(2)
    trace = part("policy", 3, rng, 35, 0.5)
    trace.signals["tau"][:] = rng.normal(size=trace.signals["tau"].shape)
    assert [segment.mode for segment in find_modes(trace)] == ["unknown"]


def test_missing_targets_at_the_start_do_not_matter():
    rng = np.random.default_rng(3)
    trace = joined(part("stand", 2, rng, 35, 0.5), part("policy", 2, rng, 35, 0.5))
    trace.signals["q_des"][:3] = np.nan
    assert [segment.mode for segment in find_modes(trace)] == ["stand", "policy"]
