"""Mean level of each terrain class."""

import torch

from surefoot.audit.accounts.tags import scalars_of
from surefoot.audit.accounts.terrain_level import level_metrics
from surefoot.audit.record.console import summary_lines

NAMES = ("boxes", "stairs_up", "waves")
AXES = {"term": (), "cause": (), "fault": (), "bucket": ("all",), "bin": (), "factor": (), "terrain": NAMES}


def test_mean_level_by_class_and_none_for_a_class_without_environments() -> None:
    flush = level_metrics(torch.tensor([3, 0, 4, 1]), torch.tensor([0, 1, 0, 1]), NAMES)
    mean = flush["terrain/level_mean"]
    assert mean[:2].tolist() == [3.5, 0.5] and mean[2].isnan()
    assert scalars_of(flush, AXES) == {"Terrain/boxes/level_mean": 3.5, "Terrain/stairs_up/level_mean": 0.5}
    assert "  terrain levels: boxes 3.5, stairs_up 0.5, waves -" in summary_lines(flush, AXES)
