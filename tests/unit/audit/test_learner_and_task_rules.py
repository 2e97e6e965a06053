"""Rules on numbers of the update and of the task: each threshold has a number on both sides of it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from surefoot.audit.accounts.episode_account import given_command
from surefoot.audit.alerts.learner_rules import LearnerRules
from surefoot.audit.alerts.learning import LEARNING
from surefoot.audit.alerts.task_rules import TaskRules
from surefoot.errors import ManifestError
from surefoot.manifest import compose_manifest
from surefoot.manifest.diagnostics import LearnerAudit
from surefoot_tasks import audit_config, manifest_root

HEALTHY = {
    "kl": 0.025, "action_std": 0.35, "action_std_min": 0.3, "explained_variance": 0.85, "surrogate": -0.006,
    "log_ratio": 0.05, "pairing": 1.0,
}  # fmt: skip
TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


def told(iterations: int = 40, **changed: Any) -> set[tuple[str, str]]:
    rules = LearnerRules(LearnerAudit(), init_std=0.4)
    flush = {LEARNING[name]: torch.tensor(value) for name, value in (HEALTHY | changed).items()}
    return {(f.kind, f.subject) for _ in range(iterations) for f in rules.check(dict(flush))}


@pytest.mark.parametrize(
    ("changed", "alert"),
    [
        ({"kl": 0.6}, ("kl", "KL")),
        ({"kl": 1e-8}, ("kl", "learning rate")),
        ({"action_std_min": 0.001}, ("exploration", "std")),
        ({"action_std": 0.7}, ("exploration", "std")),
        ({"explained_variance": -0.2}, ("critic", "critic")),
        ({"surrogate": 0.01}, ("objective", "surrogate")),
        ({"log_ratio": 3.0}, ("mini_batches", "actions of mini-batches")),
        ({"pairing": 0.1}, ("mini_batches", "advantages of mini-batches")),
    ],
)
def test_a_sick_learner_is_named_and_a_healthy_one_is_not(changed: dict[str, float], alert: tuple[str, str]) -> None:
    assert told() == set()
    assert told(**changed) == {alert}
    assert told(iterations=9, **changed) == set()  # the window is not full


def task_flush(largest: list[float], mean: list[float], variance: float, ends: list[list[float]]) -> dict[str, Any]:
    return {
        "reward/largest_per_s": torch.tensor(largest),
        "reward/mean_per_s": torch.tensor(mean),
        "reward/std_per_s": torch.zeros(len(mean)),
        "termination/length_by_cause": torch.tensor(ends),
        "spread/cross_bucket_variance": torch.tensor(variance),
        "reward/steps": torch.tensor(100.0),
        "fault/invalid_steps": torch.tensor(4.0),
    }


def task_told(variances: list[float], rows: float | None = 104.0, **given: Any) -> set[tuple[str, str]]:
    layout = SimpleNamespace(
        reward_terms=("track", "limits", "bonus"), causes=("time_out", "fell"), cause_is_time_out=(True, False)
    )
    rules = TaskRules(layout, audit_config(), {"limits": "penalty"})  # pyright: ignore[reportArgumentType]
    rules.expected_rows = rows
    values = {"largest": [1.0, 0.0, 1.0], "mean": [1.0, 0.0, 0.8], "ends": [[0.0, 5.0], [3.0, 0.0]]} | given
    return {(f.kind, f.subject) for v in variances for f in rules.check(task_flush(variance=v, **values))}


def test_what_is_wrong_with_a_task_is_named_and_nothing_else() -> None:
    assert task_told([0.01] * 60) == set()
    assert task_told([0.01] * 60, largest=[1.0, 0.0, 0.0]) == {("dead_term", "bonus")}
    assert task_told([0.01] * 201) == {("dead_term", "limits")}  # a penalty may be 0 for long
    assert task_told([0.01] * 60, mean=[1.0, 0.0, 9.0]) == {("drowning_term", "bonus")}
    assert task_told([0.01] * 60, ends=[[0.0, 0.0], [0.0, 3.0]]) == {("episode_ends", "fell")}
    assert task_told([0.01] * 60, rows=52.0) == {("step_count", "steps")}


def test_cross_bucket_variance_has_a_limit_and_a_trend() -> None:
    climbing = np.linspace(0.05, 0.35, 60).tolist()
    assert task_told([0.6]) == task_told(climbing) == {("cross_bucket_variance", "cross-bucket variance")}
    noise = (0.2 + 0.05 * np.random.default_rng(0).standard_normal(400)).clip(0).tolist()
    assert task_told(noise[:150]) == set()


def test_a_term_that_pays_for_steps_in_the_air_does_not_pay_for_failing() -> None:
    """Standing episodes succeed and earn nothing, moving ones earn and succeed less."""
    rng = np.random.default_rng(1)
    moving = rng.random(2000) < 0.5
    rate = np.where(moving, 1 + 0.3 * rng.standard_normal(2000), 0.0)
    success = np.where(moving, rng.random(2000) < 0.5, rng.random(2000) < 0.98)
    assert np.corrcoef(rate, success)[0, 1] < -0.4
    rows = []
    for stratum in (~moving, np.zeros(2000, bool), moving):
        r, s = rate[stratum], success[stratum].astype(float)
        rows.append([r.sum(), (r**2).sum(), (r * s).sum(), (r**2 * s).sum(), len(r), s.sum()])
    middle, high = given_command(torch.tensor(rows, dtype=torch.float64), 1)
    assert abs(float(middle)) < 0.06 and float(high) > -0.02


def test_the_interval_of_a_skewed_rate_covers_what_it_claims() -> None:
    """Lognormal rates that do not depend on success: the upper end lies below 0 in 2.5 % of the windows."""
    rng = np.random.default_rng(2)
    below = 0
    for _ in range(2000):
        rate, success = rng.lognormal(0, 1, 150), (rng.random(150) < 0.3).astype(float)
        sums = [rate.sum(), (rate**2).sum(), (rate * success).sum(), (rate**2 * success).sum(), 150, success.sum()]
        _, high = given_command(torch.tensor([sums], dtype=torch.float64), 1)
        below += float(high) < 0
    assert 0.01 < below / 2000 < 0.06


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("audit.actions.kl=loud", "audit.actions.kl"),
        ("+audit.actions.klr=ignore", "klr"),
        ("audit.diagnostics.learner.max_kl=0", "max_kl"),
        ("audit.diagnostics.term.max_share=1.5", "max_share"),
        ("ppo.num_mini_batches=6144", "one sample in each"),
    ],
)
def test_thresholds_out_of_range_and_unknown_detectors_are_refused(override: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        compose_manifest(manifest_root(), TASK, [override])
