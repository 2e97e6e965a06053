"""A planted defect is found, by the stated iteration; a clean run raises nothing."""

import pytest
import torch
from torch import Tensor

from audit_runs import NUM_ENVS, STEPS, Run, alerts_of, first


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_clean_run_of_300_iterations_raises_no_alert(seed: int) -> None:
    assert [alert for alert, _ in alerts_of(Run(seed), 300)] == []


class ExploitableBucket(Run):
    """From a well-trained start: a bonus that only the robots of one bucket can reach."""

    @property
    def practice(self) -> float:
        return 1.0

    def planted(self) -> Tensor:
        return 4.0 * (self.bucket == 3)


def test_an_exploitable_bucket_is_found_within_10_iterations() -> None:
    found = [alert for alert, _ in alerts_of(ExploitableBucket(), 10)]
    assert [(alert.kind, alert.subject) for alert in found] == [("bucket_exploitation", "friction 3")]


class ExploitableHalf(ExploitableBucket):
    """The bonus is within reach of every second bucket."""

    def planted(self) -> Tensor:
        return 1.2 * (self.bucket % 2)


def test_exploitable_buckets_are_found_where_they_are_half_of_all() -> None:
    found = [alert for alert, _ in alerts_of(ExploitableHalf(), 10)]
    assert {alert.kind for alert in found} == {"bucket_exploitation"}
    assert all(int(alert.subject.removeprefix("friction ")) % 2 == 1 for alert in found)


class HardBucket(ExploitableBucket):
    """Robots of one bucket fall at any time: a difference, but no bucket that is tight at another level."""

    def planted(self) -> Tensor:
        return torch.zeros(NUM_ENVS)

    def shared_end(self) -> Tensor:
        return (self.bucket == 3) & (self.uniform(NUM_ENVS) < 0.02)


def test_a_hard_bucket_is_no_exploitable_one() -> None:
    assert alerts_of(HardBucket(), 60) == []


class PayingPenalty(Run):
    def torques(self) -> Tensor:
        return -super().torques()


def test_a_penalty_that_pays_is_found_in_the_first_iteration() -> None:
    assert first(PayingPenalty(), "reward_sign", 1) == (1, "torques")


class PaysForError(Run):
    """A term of which nobody said what its sign should be, in a trained run: an episode fails by its error."""

    @property
    def practice(self) -> float:
        return 1.0

    def planted(self) -> Tensor:
        return 2.0 * self.error


def test_a_term_that_pays_for_failing_is_found_within_15_iterations() -> None:
    found = first(PaysForError(), "reward_against_success", 15)
    assert found is not None
    assert found[1] == "planted"


class CommonStart(Run):
    scattered = False

    @property
    def practice(self) -> float:
        return 1.0

    def __init__(self) -> None:
        super().__init__()
        self.fall += 1000  # nobody falls in the first episode


def test_time_outs_that_come_together_are_found_at_once() -> None:
    # All reach their 100th step in iteration 5 (steps 97 to 120), and four more steps are known by its end.
    assert first(CommonStart(), "synchronised_resets", 5) == (5, "resets")


class SharedTermination(Run):
    """In step 1000 a termination holds for a fifth of the robots at once."""

    def shared_end(self) -> Tensor:
        return (self.uniform(NUM_ENVS) < 0.2) & (self.time == 1000)


def test_a_shared_termination_is_found_in_its_iteration() -> None:
    assert first(SharedTermination(), "synchronised_resets", 60) == (42, "resets")  # 1000 / 24 = 41.7


class PoisonedEnv(Run):
    """One environment of 252 whose reward is NaN from step 240 on."""

    def planted(self) -> Tensor:
        rates = super().planted()
        rates[7] = torch.nan if self.time > 10 * STEPS else 0.0
        return rates

    def fault(self) -> Tensor:
        fault = super().fault()
        fault[7, 0] = self.time > 10 * STEPS
        return fault


def test_one_poisoned_environment_is_reported_once_and_spoils_nothing() -> None:
    found = alerts_of(PoisonedEnv(), 20)
    assert [(alert.kind, alert.subject, alert.iteration) for alert, _ in found] == [("fault", "reward", 11)]
    flush = found[0][1]
    assert float(flush["fault/invalid_share"]) == pytest.approx(1 / NUM_ENVS)
    assert not flush["reward/mean_per_s"].isnan().any()


class UnmarkedNaN(PoisonedEnv):
    def fault(self) -> Tensor:
        return torch.zeros(NUM_ENVS, 2, dtype=torch.bool)


def test_a_nan_that_nobody_marked_as_a_fault_is_not_swallowed() -> None:
    assert first(UnmarkedNaN(), "reward_residual", 11) == (11, "total")


class Storm(Run):
    def fault(self) -> Tensor:
        fault = super().fault()
        fault[:20, 1] = self.time > 2 * STEPS
        return fault


def test_too_many_faults_stop_the_run() -> None:
    alert = next(alert for alert, _ in alerts_of(Storm(), 3) if alert.kind == "too_many_faults")
    assert (alert.iteration, alert.action) == (3, "stop")
