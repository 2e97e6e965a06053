"""The console table says what the flush says."""

import torch

from audit_cases import AXES
from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.alerts.alerts import Alert
from surefoot.audit.record.console import MOST_TERMS, summary_lines

FLUSH: Flush = {
    "reward/mean_per_s": torch.tensor([-0.5, 1.25]),
    "reward/std_per_s": torch.tensor([0.1, 0.2]),
    "reward/positive_share": torch.tensor([0.0, 1.0]),
    "reward/negative_share": torch.tensor([1.0, 0.0]),
    "reward/total_per_s": torch.tensor(0.75),
    "termination/primary_share": torch.tensor([0.75, 0.25]),
    "termination/primary": torch.tensor([3.0, 1.0]),
    "bucket/return_mean": torch.tensor([3.0, float("nan"), -2.0]),
    "bucket/success_rate": torch.tensor([0.9, float("nan"), 0.1]),
    "fault/steps": torch.tensor([7.0]),
    "fault/invalid_share": torch.tensor(0.0007),
}


def words(line: str) -> list[str]:
    return line.split()


def test_terms_by_size_beside_causes():
    lines = summary_lines(FLUSH, AXES)
    assert words(lines[1])[:8] == ["torques", "+1.250", "0.200", "100", "%", "0", "%", "-"]
    assert words(lines[1])[-4:] == ["time_out", "75", "%", "3"]
    assert words(lines[2])[:2] == ["track", "-0.500"]
    assert words(lines[2])[-4:] == ["fell", "25", "%", "1"]
    assert words(lines[3])[:2] == ["total", "+0.750"]


def test_buckets_faults_and_alerts():
    lines = summary_lines(FLUSH, AXES, [Alert("reward_sign", 3, "torques", "pays", "log")])
    text = "\n".join(lines)
    assert "buckets with episodes: 2 of 3" in text
    assert "lowest  return    -2.00, success  10 %: hard" in text
    assert "highest return    +3.00, success  90 %: soft" in text
    assert "faults, steps: nan 7 (0.07 % of all steps)" in text
    assert lines[-1] == "! reward_sign (torques): pays [log]"


def test_nothing_measured_is_a_dash():
    lines = summary_lines({}, AXES)
    assert words(lines[1])[:2] == ["track", "-"]
    assert not any("bucket" in line or "fault" in line for line in lines)


def test_many_terms_share_a_line():
    axes = AXES | {"term": tuple(f"t{i}" for i in range(20))}
    lines = summary_lines({"reward/mean_per_s": torch.arange(20.0)}, axes)
    assert words(lines[1])[:2] == ["t19", "+19.000"]
    rest = sum(range(20 - (MOST_TERMS - 1)))
    assert words(lines[MOST_TERMS])[:4] == ["9", "other", "terms", f"+{rest}.000"]


def test_the_table_fits_a_console():
    axes = AXES | {"term": ("track_lin_vel_xy_exp", "foot_clearance_target"), "cause": ("time_out", "base_contact")}
    assert max(map(len, summary_lines(FLUSH, axes))) <= 120
