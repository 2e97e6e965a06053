"""A log's shoves as conditions: at the time since the window's start, the same for every bucket."""

import math

from surefoot.replay.log_conditions import kicks_of
from surefoot.traces import TraceCard
from surefoot.traces.card import Perturbation

SHOVES = (
    Perturbation(at=1.0, lin_vel=(0.5, -0.25)),
    Perturbation(at=2.5, ang_vel_z=1.0),
    Perturbation(at=4.0, lin_vel=(1.0, 0.0)),
)


def test_those_within_the_stretch_count_from_its_start():
    card = TraceCard.model_construct(perturbations=SHOVES)
    kicks = kicks_of(card, start=1.0, seconds=3.0, buckets=2)  # the last is at its end, which is exclusive
    assert kicks.at.tolist() == [[0.0, 1.5]] * 2
    assert kicks.change.tolist() == [[[0.5, -0.25, 0.0], [0.0, 0.0, 1.0]]] * 2
    assert kicks.phase.isnan().all() and kicks.phase.shape == (2, 2)


def test_without_any_nothing_is_ever_due():
    for card in (None, TraceCard.model_construct(perturbations=SHOVES)):
        kicks = kicks_of(card, start=10.0, seconds=1.0, buckets=3)
        assert kicks.at.tolist() == [[math.inf]] * 3 and not kicks.change.any()
