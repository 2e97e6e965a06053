"""Planted defects are found, with the stated number of iterations; a clean run raises nothing."""

import math

import pytest
import torch
from torch import Tensor

from streams import TERMS, Walkers, first_finding, iterations


def finding_of(walkers: Walkers, count: int = 30) -> tuple[int, str, str]:
    found = first_finding(walkers, count)
    assert found is not None
    iteration, finding = found
    return iteration, finding.kind, finding.subject


def test_a_clean_run_of_300_iterations_raises_nothing():
    assert first_finding(Walkers(seed=5), 300) is None


class MeanOverEnvs(Walkers):
    def planted(self) -> Tensor:
        return self.uniform(self.num_envs).mean().expand(self.num_envs)


def test_a_term_averaged_over_environments_is_found_in_three_iterations():
    # 24 steps an iteration: 50 non-zero steps are there after the third.
    assert finding_of(MeanOverEnvs()) == (3, "constant_term", "planted")


class Ramped(Walkers):
    """A bonus that is the same for all, under a weight that a curriculum raises and then changes at once."""

    def planted(self) -> Tensor:
        return torch.full((self.num_envs,), min(1.0, self.time / 400) if self.time < 600 else 0.5)


def test_a_constant_bonus_with_a_changing_weight_is_no_defect():
    assert first_finding(Ramped(), 40) is None


class PaysStanding(Walkers):
    rate = 4.0

    def planted(self) -> Tensor:
        return self.rate * self.stands


def test_a_bonus_for_standing_that_outweighs_following_is_found_when_the_window_is_full():
    assert finding_of(PaysStanding()) == (10, "standing_pays", "planted")


class PaysStandingALittle(PaysStanding):
    rate = 1.0


def test_a_bonus_that_cancels_more_than_half_of_what_following_earns_is_found():
    # Tracking pays 2/s for following and, at errors of 0.3 to 1 m/s, 0.46/s for standing: 1/s is 65 % of 1.54/s.
    assert finding_of(PaysStandingALittle()) == (10, "standing_pays", "planted")


class PaysUpright(Walkers):
    """Every robot gets it; robots that walk sway and get a little less."""

    def planted(self) -> Tensor:
        return torch.where(self.stands, 1.0, 0.9) - 0.01 * self.uniform(self.num_envs)


def test_a_bonus_that_walking_robots_get_too_is_no_defect():
    assert first_finding(PaysUpright(), 30) is None


class CostsFollowing(Walkers):
    """No term pays for standing, but a penalty on motion is larger than what following earns."""

    def planted(self) -> Tensor:
        return torch.where(self.stands, 0.0, -3.0)


def test_penalties_that_make_following_not_worth_it_are_found_without_blaming_a_bonus():
    assert finding_of(CostsFollowing()) == (10, "standing_pays", "total")


def test_robots_that_only_stand_are_found_though_nobody_follows():
    assert finding_of(Walkers(standing_share=1.0)) == (10, "standing", "total")


class AtTheLimit(Walkers):
    def action(self) -> Tensor:
        return torch.tensor([2.0, -1.0, 0.5]).expand(self.num_envs, 3)


def test_actions_at_the_limit_are_counted_and_found():
    number, kind, _ = finding_of(AtTheLimit())
    assert (number, kind) == (10, "action_saturation")
    flush, _ = next(iterations(AtTheLimit(), 1))
    assert flush["action/saturation"].item() == pytest.approx(2 / 3)
    assert flush["action/worst_saturation"].item() == 1.0
    assert flush["action/magnitude"].item() == pytest.approx(3.5 / 3)
    assert flush["action/change"].item() == 0.0


class Flipping(Walkers):
    def action(self) -> Tensor:
        return torch.tensor([0.25, 0.0, -0.5]).expand(self.num_envs, 3) * (-1) ** self.time


def test_change_of_action_is_the_mean_over_steps_within_an_episode():
    # Each joint flips sign: |2 * 0.25|, 0, |2 * 0.5|. Across a reset the actions belong to different episodes.
    flush, _ = next(iterations(Flipping(), 1))
    assert flush["action/change"].item() == pytest.approx((0.5 + 0.0 + 1.0) / 3)


def test_means_over_standing_and_following_rows_are_those_of_a_loop():
    config_speed, warm_up_steps = 0.1, 50
    seen = PaysStanding(seed=3)
    rows: dict[str, list[Tensor]] = {"stand": [], "follow": []}
    for _ in range(24):
        step = seen.step()
        for env in range(seen.num_envs):
            if step.episode_steps[env] <= warm_up_steps:
                continue
            speed, error = step.lin_speed[env].item(), step.lin_vel_error[env].item()
            if speed < config_speed and error > 2 * config_speed:
                rows["stand"].append(step.rates[env])
            elif speed > 2 * config_speed and error <= 0.5 * speed:
                rows["follow"].append(step.rates[env])
    flush, _ = next(iterations(PaysStanding(seed=3), 1))
    assert flush["standing/rows"].item() == len(rows["stand"]) > 0
    assert flush["standing/following_rows"].item() == len(rows["follow"]) > 0
    assert torch.allclose(flush["standing/rate"].float(), torch.stack(rows["stand"]).mean(dim=0))
    assert torch.allclose(flush["standing/following_rate"].float(), torch.stack(rows["follow"]).mean(dim=0))


class Faulty(MeanOverEnvs):
    """The first environment is broken: its row says NaN."""

    def step(self):
        step = super().step()
        step.fault[0, 0] = True
        for values in (step.rates, step.reward, step.lin_vel_error, step.lin_speed, step.action):
            values[0] = math.nan
        return step


def test_a_broken_row_neither_hides_nor_makes_a_finding():
    flush, _ = next(iterations(Faulty(), 1))
    shared = dict(zip(TERMS, flush["constant/shared_steps"].tolist(), strict=True))
    assert shared == {"track": 0.0, "alive": 24.0, "torques": 0.0, "joint_limits": 0.0, "planted": 24.0}
    assert all(torch.isfinite(flush[name]).all() for name in ("standing/rate", "action/magnitude", "action/change"))
    assert flush["standing/moving_rows"].item() <= 255 * 24
