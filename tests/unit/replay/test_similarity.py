import numpy as np
import pytest

from surefoot.replay.similarity import correlation, energy_ratio, lag, spectral_distance

DT = 0.02
TIME = DT * np.arange(50)


def wave(shift: float = 0.0, frequency: float = 2.0, size: float = 1.0) -> np.ndarray:
    """Four windows at different phases of a sine, late by `shift` s."""
    phase = np.arange(4)[None, :, None]
    return size * np.sin(2 * np.pi * frequency * (TIME[:, None, None] - shift) + phase)


@pytest.mark.parametrize("late", [-0.045, -0.02, 0.0, 0.013, 0.02, 0.06])
def test_a_late_simulation_has_a_positive_lag(late: float) -> None:
    assert lag(wave(), wave(late), DT)[0] == pytest.approx(late, abs=0.002)


@pytest.mark.parametrize("frequency", [1.0, 1.7, 3.0])
def test_windows_that_cut_a_gait_at_the_same_place_do_not_move_the_lag(frequency: float) -> None:
    """Short windows of one phase, of two harmonics: what is identical has no lag; 5 ms and 10 ms come back."""
    time = DT * np.arange(20)[:, None, None]

    def gait(late: float) -> np.ndarray:
        angle = 2 * np.pi * frequency * (time - late) + 0.3 * np.ones((1, 49, 1))
        return np.sin(angle) + 0.3 * np.sin(2 * angle)

    assert lag(gait(0), gait(0), DT)[0] == pytest.approx(0.0, abs=1e-12)
    for late in (0.005, 0.01):
        assert lag(gait(0), gait(late), DT)[0] == pytest.approx(late, abs=0.001)


def test_a_lag_beyond_the_reach_is_not_a_number() -> None:
    assert np.isnan(lag(wave(), wave(0.13), DT)[0])


def test_a_signal_that_does_not_move_has_neither_lag_nor_correlation() -> None:
    still = np.zeros((50, 4, 1))
    assert np.isnan(lag(still, wave(), DT)[0]) and np.isnan(correlation(still, wave())[0])
    for held in (0.3, 0.7):  # their means are off by a rounding error, which is no motion
        assert np.isnan(correlation(still + 0.3, still + held)[0]) and np.isnan(correlation(wave(), still + held)[0])
        assert np.isnan(spectral_distance(still + held, wave(), DT)[0])


def test_correlation_of_a_scaled_shifted_and_a_mirrored_signal() -> None:
    assert correlation(wave(), 3 * wave() + 5)[0] == pytest.approx(1.0)
    assert correlation(wave(), -wave())[0] == pytest.approx(-1.0)


def test_half_the_size_is_six_decibel() -> None:
    assert spectral_distance(wave(), wave(size=0.5), DT)[0] == pytest.approx(20 * np.log10(2), rel=1e-6)
    assert spectral_distance(wave(), wave(), DT)[0] == 0
    assert np.isnan(spectral_distance(np.zeros((50, 4, 1)), wave(), DT)[0])


def test_energy() -> None:
    one = np.ones((2, 3, 4))
    assert energy_ratio(2 * one, -3 * one, one, one) == pytest.approx(6.0)
