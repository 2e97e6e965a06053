import numpy as np
import pytest

from surefoot.replay import gap as gaps

RNG = np.random.default_rng(1)


def real_of(steps: int = 20, windows: int = 6) -> dict[str, np.ndarray]:
    return {
        "q": RNG.normal(0, 0.5, (steps, windows, 12)),
        "dq": RNG.normal(0, 5.0, (steps, windows, 12)),
        "gyro": RNG.normal(0, 1.0, (steps, windows, 3)),
    }


def same(real: dict[str, np.ndarray], buckets: int) -> dict[str, np.ndarray]:
    return {name: np.repeat(values[:, None], buckets, axis=1) for name, values in real.items()}


def test_the_same_motion_has_gap_zero() -> None:
    real = real_of()
    gap = gaps.measure(real, same(real, 3))
    assert gap.scores.tolist() == [0, 0, 0] and np.all(gap.window == 0)


def test_an_error_of_one_standard_deviation_in_one_signal_costs_its_weight() -> None:
    real = real_of()
    simulated = same(real, 2)
    simulated["q"][:, 1] += gaps.scale_of("q", real["q"])
    gap = gaps.measure(real, simulated)
    weights = {"q": 0.3, "dq": 0.2, "gyro": 0.1}
    assert gap.weights == pytest.approx({name: weight / 0.6 for name, weight in weights.items()})
    assert gap.scores.tolist() == pytest.approx([0.0, 0.5])
    assert gap.best == 0 and gap.absent == ("tau", "gravity", "base_lin_vel", "acc")


def test_the_accelerometer_stands_beside_the_score() -> None:
    """Off by two standard deviations: said, and neither score nor window nor weights of the others change."""
    real = real_of()
    simulated = same(real, 2)
    simulated["q"][:, 1] += 0.1
    before = gaps.measure(real, simulated)
    real["acc"] = RNG.normal(0, 4.0, (20, 6, 3))
    simulated["acc"] = same(real, 2)["acc"] + 2 * gaps.scale_of("acc", real["acc"])
    after = gaps.measure(real, simulated)
    assert np.allclose(after.nrmse["acc"], 2.0) and after.weights["acc"] == 0.0
    assert np.array_equal(after.scores, before.scores) and np.array_equal(after.window, before.window)
    assert {name: weight for name, weight in after.weights.items() if name != "acc"} == before.weights


def test_a_signal_that_hardly_moves_is_divided_by_the_published_minimum() -> None:
    still = np.zeros((5, 2, 12))
    assert gaps.scale_of("q", still).tolist() == [0.02] * 12
    gap = gaps.measure({"q": still}, {"q": np.full((5, 1, 2, 12), 0.01)})
    assert gap.scores[0] == pytest.approx(0.5)


def test_buckets_and_windows_are_not_mixed_up() -> None:
    """Bucket 1 errs in window 2 alone, in one of 12 joints, by one standard deviation: mean square 1/12 there."""
    real = {"q": real_of()["q"]}
    simulated = same(real, 3)
    simulated["q"][:, 1, 2, 5] += gaps.scale_of("q", real["q"])[5]
    gap = gaps.measure(real, simulated)
    expected = np.zeros((3, 6))
    expected[1, 2] = 1 / 12
    assert np.allclose(gap.window, expected, atol=1e-12)
    assert gap.nrmse["q"][1, 5] == pytest.approx(np.sqrt(1 / 6)) and gap.nrmse["q"][1, 4] == 0


def test_error_against_horizon() -> None:
    real = np.zeros((4, 3, 1))
    simulated = np.arange(1, 5)[:, None, None] * np.ones((4, 3, 1))
    assert gaps.by_horizon(real, simulated, np.array([2.0]))[:, 0].tolist() == [0.5, 1.0, 1.5, 2.0]


def test_numbers_that_are_not_finite_are_refused_not_averaged() -> None:
    real = real_of()
    simulated = same(real, 2)
    simulated["dq"][3, 1, 4, 0] = np.nan
    with pytest.raises(ValueError, match="dq: numbers that are not finite"):
        gaps.measure(real, simulated)
    assert gaps.valid_windows(simulated).tolist() == [True] * 4 + [False, True]


def test_shapes_that_do_not_fit_are_refused() -> None:
    real = real_of()
    with pytest.raises(ValueError, match="expected"):
        gaps.measure(real, {name: values[:-1, None] for name, values in real.items()})


def test_coverage_counts_the_time_inside_the_band() -> None:
    """101 buckets from 0 to 1: the band is 0.05 to 0.95."""
    simulated = np.broadcast_to(np.linspace(0, 1, 101)[None, :, None, None], (4, 101, 1, 2))
    real = np.array([[0.5, 0.04], [0.06, 0.96], [0.95, 2.0], [0.05, -1.0]])[:, None, :]
    assert gaps.coverage(real, simulated).tolist() == [1.0, 0.0]
    assert gaps.excess(real, simulated)[0] == 0
    assert gaps.excess(real, simulated)[1] == pytest.approx(np.mean([-0.01, 0.01, 1.05, -1.05]))


def test_one_bucket_is_no_band() -> None:
    real = np.zeros((4, 2, 1))
    assert np.isnan(gaps.coverage(real, real[:, None])).all() and np.isnan(gaps.excess(real, real[:, None])).all()


def test_persistence_of_a_log_that_stands_still_is_zero_and_of_a_step_is_its_size() -> None:
    assert gaps.persistence({"q": np.zeros((3, 2))}, {"q": np.zeros((5, 3, 2))}) == 0
    assert gaps.persistence({"q": np.zeros((3, 2))}, {"q": np.full((5, 3, 2), 0.02)}) == pytest.approx(1.0)


def test_the_interval_of_a_score_holds_it_and_is_a_point_where_windows_are_alike() -> None:
    """400 windows with errors of 0 or 2 scales: mean square 2; its standard error is 0.1, that of the root 0.035."""
    rng = np.random.default_rng(0)
    real = {"q": np.zeros((5, 400, 1))}
    simulated = {"q": np.broadcast_to(0.04 * rng.permutation(np.repeat([0.0, 1.0], 200))[None, :, None], (5, 400, 1))}
    low, high = gaps.score_interval(real, simulated)
    assert low is not None and high is not None
    assert low < 2**0.5 < high and high - low == pytest.approx(4 * 0.0354, rel=0.15)
    alike = {"q": np.full((5, 400, 1), 0.02)}
    assert gaps.score_interval(real, alike) == pytest.approx((1.0, 1.0))
    assert gaps.measure(real, {"q": alike["q"][:, None]}).scores[0] == pytest.approx(1.0)


def test_few_windows_have_no_interval() -> None:
    """One window resampled is itself: an interval without width."""
    for count, there in ((1, False), (4, False), (5, True)):
        real, simulated = {"q": np.zeros((5, count, 1))}, {"q": np.ones((5, count, 1))}
        assert (gaps.score_interval(real, simulated)[0] is not None) == there


@pytest.mark.parametrize("count", [5, 20])
def test_the_interval_covers_what_few_windows_are_a_sample_of(count: int) -> None:
    """Errors of exp(0.2 z): the score of all such windows is exp(0.2**2). Resampling 5 windows holds it in 80 %."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        simulated = {"q": 0.02 * np.exp(rng.normal(0, 0.2, (1, count, 1)))}
        low, high = gaps.score_interval({"q": np.zeros((1, count, 1))}, simulated)
        assert low is not None and high is not None
        held += low <= np.exp(0.04) <= high
    assert 0.89 < held / 300 <= 1.0
