"""Observation noise: amplitude of each term, no noise where none is asked for, keyed by episode and step."""

import pytest
import torch

from surefoot.manifest import Manifest
from surefoot.mdp.noise import ObservationNoise
from surefoot.randomization.streams import Streams

N = 2000


@pytest.fixture
def streams() -> Streams:
    return Streams(0, N, "cpu")


@pytest.fixture
def noise(go1_manifest: Manifest, streams: Streams) -> ObservationNoise:
    return ObservationNoise(go1_manifest, "actor", streams)


def test_columns_are_those_of_the_noisy_terms(noise: ObservationNoise) -> None:
    sizes = {name: columns.stop - columns.start for name, columns in noise.columns.items()}
    assert sizes == {"base_ang_vel": 3, "projected_gravity": 3, "joint_pos": 12, "joint_vel": 12}


def test_each_term_fills_its_amplitude(noise: ObservationNoise, go1_manifest: Manifest) -> None:
    drawn = noise.draw(torch.zeros(N, dtype=torch.long))
    for name, columns in noise.columns.items():
        amplitude = go1_manifest.task.observations.actor.terms[name].noise
        assert drawn[:, columns].abs().max() <= amplitude
        assert (drawn[:, columns].amax(dim=0) > 0.99 * amplitude).all()
        assert (drawn[:, columns].amin(dim=0) < -0.99 * amplitude).all()


def test_every_number_is_its_own(noise: ObservationNoise) -> None:
    drawn = noise.draw(torch.zeros(N, dtype=torch.long))
    correlation = torch.corrcoef(drawn.T).fill_diagonal_(0.0)
    # Standard deviation of a correlation of 0 is 1 / sqrt(2000) = 0.022; the largest of 435 pairs.
    assert correlation.abs().max() < 0.1


def test_a_step_repeats_its_noise_and_other_steps_and_episodes_differ(
    noise: ObservationNoise, streams: Streams
) -> None:
    step = torch.arange(N)
    first = noise.draw(step)
    assert torch.equal(noise.draw(step), first)
    assert (noise.draw(step + 1) != first).all(dim=1).all()
    streams.begin_episode(torch.tensor([0]))
    again = noise.draw(step)
    assert (again[0] != first[0]).all()
    assert torch.equal(again[1:], first[1:])


def test_a_group_without_noise_has_no_columns(go1_manifest: Manifest, streams: Streams) -> None:
    assert ObservationNoise(go1_manifest, "critic", streams).columns == {}
