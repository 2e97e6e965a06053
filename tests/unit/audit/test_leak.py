"""Copies of privileged columns are found after `patience` batches; what is only related is not."""

import math
from collections.abc import Callable

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from surefoot.audit.alerts.leak import LeakDetector
from surefoot.audit.alerts.leak_watch import LeakWatch
from surefoot.manifest import override_manifest
from surefoot.mdp.observation_layout import observation_size
from surefoot_tasks import audit_config
from table_state import TableState

CONFIG = audit_config().diagnostics.leak
PATIENCE = CONFIG.patience
HIDDEN = ("vel_x", "height", "contact")


class Batches:
    """Three privileged columns, one of them a flag, and a measurable one that is close to the first."""

    def __init__(self, num_envs: int = 256, seed: int = 0) -> None:
        self._random = torch.Generator().manual_seed(seed)
        self.num_envs = num_envs

    def normal(self, *columns: int) -> Tensor:
        return torch.randn(self.num_envs, *columns, generator=self._random)

    def uniform(self) -> Tensor:
        return 2 * torch.rand(self.num_envs, generator=self._random) - 1

    def hidden(self) -> Tensor:
        flag = (self.normal() > 0).float()
        return torch.stack((self.normal(), 0.3 + 0.01 * self.normal(), flag), dim=1)


Column = Callable[[Batches, Tensor], Tensor]
"""Made from a batch and its privileged columns. Shape (num_envs,)."""


def copied(
    column: Column,
    count: int = PATIENCE,
    noise_std: float = 0.0,
    num_envs: int = 256,
    measurable: Column | None = None,
) -> list[str]:
    """Privileged columns that `column(batches, hidden)` is found to copy after `count` batches."""
    detector = LeakDetector(["column"], HIDDEN, CONFIG, "cpu", torch.tensor([noise_std]))
    batches = Batches(num_envs)
    for _ in range(count):
        hidden = batches.hidden()
        known = measurable(batches, hidden).unsqueeze(1) if measurable is not None else None
        detector.observe(column(batches, hidden).unsqueeze(1), hidden, known)
    assert detector.metrics()["leak/columns"].item() == len(detector.found())
    return [leak.privileged for leak in detector.found()]


def test_a_scaled_and_shifted_copy_is_found_after_three_batches_and_not_before():
    assert copied(lambda b, h: 3.0 - 0.25 * h[:, 0], count=PATIENCE - 1) == []
    assert copied(lambda b, h: 3.0 - 0.25 * h[:, 0]) == ["vel_x"]
    assert PATIENCE == 3


def test_a_small_signal_on_a_large_offset_is_still_a_copy():
    assert copied(lambda b, h: h[:, 1]) == ["height"]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 100.0), st.floats(-5.0, 5.0), st.booleans())
def test_any_affine_map_of_a_copy_is_a_copy(scale: float, shift: float, negative: bool):
    factor = -scale if negative else scale
    assert copied(lambda b, h: factor * h[:, 0] + shift) == ["vel_x"]


def test_a_velocity_that_follows_its_command_to_three_percent_is_no_copy():
    # The command is what the actor sees; its square correlation with the velocity is 1 / (1 + 0.03²) = 0.9991.
    assert copied(lambda b, h: h[:, 0] + 0.03 * b.normal(), count=50) == []


def test_one_batch_without_the_copy_starts_the_count_again():
    detector = LeakDetector(["column"], HIDDEN, CONFIG, "cpu")
    batches = Batches()
    for number in range(2 * PATIENCE - 1):
        hidden = batches.hidden()
        column = batches.normal() if number == PATIENCE - 1 else hidden[:, 0]
        detector.observe(column.unsqueeze(1), hidden)
    assert detector.found() == []


def test_a_batch_without_spread_says_nothing():
    detector = LeakDetector(["column"], HIDDEN, CONFIG, "cpu")
    batches = Batches()
    for number in range(PATIENCE + 3):
        hidden = batches.hidden()
        column = torch.full((256,), 0.1) if number in (1, 2, 3) else hidden[:, 0]
        detector.observe(column.unsqueeze(1), hidden)
    assert [leak.observation for leak in detector.found()] == ["column"]


def test_two_flat_columns_are_no_copies_of_each_other():
    detector = LeakDetector(["column"], ["constant"], CONFIG, "cpu")
    for _ in range(2 * PATIENCE):
        detector.observe(torch.full((256, 1), 0.1), torch.full((256, 1), 0.7))
    assert detector.found() == []
    assert math.isnan(detector.metrics()["leak/smallest_residual"].item())


def test_flags_that_differ_in_few_environments_prove_nothing():
    detector = LeakDetector(["column"], ["flag"], CONFIG, "cpu")
    fallen = torch.zeros(256, 1)
    fallen[: CONFIG.min_envs // 2] = 1.0
    for _ in range(2 * PATIENCE):
        detector.observe(2.0 * fallen, fallen)
    assert detector.found() == []


def test_few_environments_prove_nothing():
    assert copied(lambda b, h: h[:, 0], num_envs=CONFIG.min_envs, count=20) == []


def test_a_copy_under_declared_noise_is_found():
    # Uniform noise of +-0.5: variance 1/12, a twelfth of the signal's.
    def noisy(b: Batches, h: Tensor) -> Tensor:
        return h[:, 0] + 0.5 * b.uniform()

    assert copied(noisy, noise_std=0.5 / math.sqrt(3)) == ["vel_x"]
    assert copied(noisy) == [], "the same noise, not declared, is a difference"


def test_a_measurable_column_that_explains_as_well_is_no_leak():
    # A gyro: noise +-0.2 hides that it differs from the privileged yaw rate by 0.02 rad/s.
    blamed: dict[bool, list[str]] = {}
    for given_measurable in (False, True):
        detector = LeakDetector(["gyro"], HIDDEN, CONFIG, "cpu", torch.tensor([0.2 / math.sqrt(3)]))
        batches = Batches()
        for _ in range(PATIENCE):
            hidden = batches.hidden()
            true = hidden[:, 0] + 0.02 * batches.normal()
            seen = (true + 0.2 * batches.uniform()).unsqueeze(1)
            detector.observe(seen, hidden, true.unsqueeze(1) if given_measurable else None)
        blamed[given_measurable] = [leak.privileged for leak in detector.found()]
    assert blamed == {False: ["vel_x"], True: []}


def test_a_command_that_the_velocity_follows_does_not_excuse_a_copy():
    assert copied(lambda b, h: h[:, 0], measurable=lambda b, h: h[:, 0] + 0.05 * b.normal()) == ["vel_x"]


def test_broken_rows_are_left_out():
    def broken(b: Batches, h: Tensor) -> Tensor:
        column = h[:, 0].clone()
        column[3] = math.nan
        h[7, 0] = math.inf
        return column

    assert copied(broken) == ["vel_x"]


def test_300_batches_of_related_columns_raise_nothing():
    detector = LeakDetector([f"o{i}" for i in range(20)], HIDDEN, CONFIG, "cpu")
    batches = Batches()
    for _ in range(300):
        hidden = batches.hidden()
        mix = hidden @ torch.randn(3, 20, generator=torch.Generator().manual_seed(1))
        detector.observe(mix + 0.01 * batches.normal(20), hidden)
        assert detector.found() == []


def test_the_watch_reads_the_accelerometer_only_where_a_term_does(go1_manifest):
    """Of a robot whose model does not say where it is, reading it is an error; elsewhere it costs."""
    own = "+task.observations.actor.terms.imu_lin_acc={func: imu_lin_acc}"
    for manifest, read in ((go1_manifest, False), (override_manifest(go1_manifest, [own]), True)):
        state = TableState(manifest, 8)
        LeakWatch(manifest, "cpu").observe(torch.zeros(8, observation_size(manifest, "actor")), state)
        assert ("imu_lin_acc_b" in state._cache) == read


def test_the_watch_on_a_task_compares_the_actor_with_fields_that_no_robot_measures(go1_manifest):
    state = TableState(go1_manifest, 256)
    batches = Batches()
    watch = LeakWatch(go1_manifest, "cpu")
    size = observation_size(go1_manifest, "actor")
    for _ in range(PATIENCE):
        state.invalidate()
        state.table["base_lin_vel_w"] = batches.normal(3)
        actor = batches.normal(size)
        actor[:, 7] = 2.0 * state.table["base_lin_vel_w"][:, 1]  # joint_pos[1]
        watch.observe(actor, state)
    found = watch.found()
    assert [leak.observation for leak in found] == ["joint_pos[1]"]
    assert found[0].privileged.startswith("base_lin_vel")
    assert watch.metrics()["leak/columns"].item() == 1.0
