"""A made-up run of the size of a real one, written through the recorder."""

from pathlib import Path

import numpy as np
import torch

from surefoot.audit.accounts import accounts
from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.alerts.alerts import Alert
from surefoot.audit.record.record import RunRecord

assert accounts  # it defines the metrics

TERMS = (
    "track_lin_vel_xy_exp track_ang_vel_z_exp upright lin_vel_z_l2 ang_vel_xy_l2 torques joint_acc action_rate "
    "foot_clearance foot_slip foot_swing_height joint_limits stand_still alive feet_air_time never_used"
).split()
FRICTIONS = [f"friction {0.2 + 0.1 * i:.1f}-{0.3 + 0.1 * i:.1f}" for i in range(8)]
PAYLOADS = [f"payload {-1 + i}-{i} kg" for i in range(8)]
AXES = {
    "term": tuple(TERMS),
    "cause": ("time_out", "tilted", "base_contact", "out_of_bounds"),
    "fault": ("observation_not_finite", "reward_not_finite", "state_not_finite", "state_out_of_bounds", "warning"),
    "bucket": tuple(f"{friction} | {payload}" for friction in FRICTIONS for payload in PAYLOADS),
    "bin": tuple(f"{i}-{i + 1} s" for i in range(20)),
    "factor": ("friction", "payload_mass"),
}


def flush_of(progress: float, iteration: int, rng: np.random.Generator) -> Flush:
    """Rewards rise, failures fade, slippery buckets with a heavy payload learn last."""
    weights = np.array([1.5, 0.7, 0.3, -0.2, -0.15, -0.2, -0.1, -0.25, 0.2, -0.05, 0.1, -0.01, -0.04, 0.05, 0.12, 0.0])
    means = weights * (0.3 + 0.7 * progress) + rng.normal(0, 0.01, 16) * (weights != 0)
    failing = 0.9 * np.exp(-5 * progress) + 0.03
    counts = rng.multinomial(40, [1 - failing, 0.6 * failing, 0.35 * failing, 0.05 * failing]).astype(float)
    hard = np.add.outer(1 - np.arange(8) / 7, np.arange(8) / 7).ravel() / 2
    skill = np.clip(1.4 * progress - 0.6 * hard + rng.normal(0, 0.02, 64), 0, 1)
    skill[rng.random(64) < 0.02] = np.nan
    faults = np.zeros(5)
    if iteration % 97 == 0:
        faults[iteration % 5] = 1 + iteration % 40
    values = {
        "reward/mean_per_s": means,
        "reward/total_per_s": means.sum(),
        "termination/primary": counts,
        "termination/primary_share": counts / counts.sum(),
        "termination/length_mean": 20 * (1 - failing) + rng.normal(0, 0.3),
        "bucket/return_mean": 35 * skill,
        "bucket/success_rate": skill**2,
        "bucket/lin_vel_error": 0.6 - 0.5 * skill,
        "fault/steps": faults,
    }
    return {name: torch.as_tensor(value, dtype=torch.float64) for name, value in values.items()}


def write_run(folder: Path, iterations: int, save_every: int = 50, faults: bool = True) -> None:
    """Record a run with two alerts."""
    rng = np.random.default_rng(0)
    record = RunRecord(folder, AXES, "0123456789abcdef")
    for iteration in range(1, iterations + 1):
        flush = flush_of(iteration / iterations, iteration, rng)
        alerts = []
        if not faults:
            flush["fault/steps"].zero_()
        elif iteration in (iterations // 3, iterations // 2):
            message = "grows with slip: correlation with success -0.62, limit -0.5"
            alerts.append(Alert("reward_against_success", iteration, "foot_slip", message, "log"))
        record.add(iteration, flush, alerts)
        if iteration % save_every == 0:
            record.save()
    record.save(end=True)
