"""What a person sees of a training: few lines, no empty numbers, and the tags that other tools write."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from surefoot.manifest import Manifest
from surefoot.rl.progress import LINE_EVERY, Progress

AXES = {"term": ("gait", "torques"), "cause": ("time_out", "fall"), "bucket": ("all",), "fault": ()}


class Writer:
    """Keeps what is written."""

    failures = 0

    def __init__(self) -> None:
        self.scalars: dict[str, float] = {}

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars[tag] = value


def flush(count: float, success: float, *, ends: tuple[float, float] = (3.0, 1.0)) -> dict[str, torch.Tensor]:
    numbers: dict[str, Any] = {
        "run/seconds": 2.0,
        "run/learn_seconds": 0.5,
        "run/env_seconds": 1.0,
        "run/physics_seconds": float("nan"),
        "run/audit_seconds": 0.0,
        "reward/total_per_s": 1.25,
        "reward/mean_per_episode": [20.0, -4.0],
        "termination/primary": ends,
        "termination/primary_share": [end / sum(ends) if sum(ends) else float("nan") for end in ends],
        "termination/length_mean": 10.0 if count else float("nan"),
        "episode/count": count,
        "episode/success_rate": success,
        "episode/return_mean": 100 * success,
        "learning/value_loss": 0.3,
    }
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}


def shown(progress: Progress, done: int, numbers: dict[str, torch.Tensor]) -> None:
    audited: Any = SimpleNamespace(flush=numbers, alerts=[])
    progress.show(done, 1000, 512, audited, AXES)


def test_a_log_gets_one_line_in_ten(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(None)
    for done in range(1, 41):
        shown(progress, done, flush(0.0, float("nan"), ends=(0.0, 0.0)))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 40 // LINE_EVERY
    assert all(len(line) <= 100 for line in lines)
    assert not re.search(r"nan|\[\]|-0 ?%", "\n".join(lines))
    assert re.fullmatch(r" +1/1000 +256 samples/s  reward \+1\.25/s  33:18 left", lines[0])


def test_a_terminal_gets_one_line_that_is_written_anew(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    progress = Progress(None)
    for done in (1, 2, 3):
        shown(progress, done, flush(4.0, 0.5))
    out = capsys.readouterr().out
    assert out.count("\r\x1b[K") == 3 and "\n" not in out


def test_success_is_that_of_a_hundred_episodes_not_of_the_last_three(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(None)
    shown(progress, 1, flush(97.0, 1.0))
    capsys.readouterr()
    shown(progress, 10, flush(3.0, 0.0))
    assert "success 97%" in capsys.readouterr().out
    shown(progress, 20, flush(100.0, 0.5))  # the window is full without the older ones
    assert "success 50%" in capsys.readouterr().out


def test_the_fields_own_tags(go1_manifest: Manifest) -> None:
    writer: Any = Writer()
    shown(Progress(writer, go1_manifest, quiet=True), 1, flush(4.0, 0.5))
    steps = go1_manifest.ppo.num_steps_per_env
    wanted = {
        "Train/mean_reward": 50.0,
        "Train/mean_episode_length": 10.0 / go1_manifest.simulation.step_dt,
        "Loss/value": 0.3,
        "Perf/total_fps": 256.0,
        "Perf/collection_time": 1.5,
        "Perf/learning_time": 0.5,
        "Episode_Reward/gait": 20.0 / go1_manifest.task.episode_length,
        "Episode_Termination/fall": 1.0 / steps,
    }
    assert {tag: writer.scalars[tag] for tag in wanted} == pytest.approx(wanted)
