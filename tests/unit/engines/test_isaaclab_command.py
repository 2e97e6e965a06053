"""What Isaac Lab's own command is told or refused, and its films; without Isaac Lab."""

from pathlib import Path
from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest

from surefoot.engines.isaaclab.compat.command_line import refuse_gone_flags
from surefoot.engines.isaaclab.compat.video import SOURCE, Film, take_ours
from surefoot.engines.isaaclab.extension import Terms
from surefoot.errors import EngineError


@pytest.mark.parametrize("program", [["/envs/lab/bin/isaaclab"], ["-m", "isaaclab"]])
def test_flags_of_isaac_lab_2_are_refused(program: list[str]) -> None:
    with pytest.raises(EngineError, match=r"--resume: .*--checkpoint latest"):
        refuse_gone_flags(["python", *program, "train", "--resume"])
    with pytest.raises(EngineError, match=r"--load_run: .*--checkpoint"):
        refuse_gone_flags(["python", *program, "play", "--load_run=x"])
    refuse_gone_flags(["python", *program, "train", "--resume_optimizer_state", "--checkpoint", "latest"])


def test_other_programs_have_flags_of_their_own() -> None:
    refuse_gone_flags(["python", "scripts/train.py", "--resume"])


def recorder(folder: Path | None, **settings: object) -> SimpleNamespace:
    fields = {
        "source": SOURCE, "output_dir": folder and str(folder), "fps": None, "video_length": 4, "video_interval": 6,
        "step_offset": 2, "frame_stride": 2, "output_filename_prefix": "clip", "keep_last_n_clips": None,
    }  # fmt: skip
    return SimpleNamespace(**(fields | settings))


def frames(path: Path) -> int:
    return imageio_ffmpeg.count_frames_and_secs(str(path))[0]


def film(folder: Path, steps: int, **settings: object) -> list[str]:
    running = Film(recorder(folder, **settings), lambda: np.zeros((64, 64, 3), np.uint8), (64, 64), 50.0)
    for _ in range(steps):
        running.step()
    running.close()
    return sorted(path.name for path in folder.iterdir())


def test_clips_begin_and_end_when_isaac_lab_says(tmp_path: Path) -> None:
    # Steps 2 to 5, 8 to 11 and, cut short, 14 to 15; every second one is a frame.
    assert film(tmp_path, 16) == ["clip_0000.mp4", "clip_0001.mp4", "clip_0002.mp4"]
    assert [frames(tmp_path / f"clip_000{index}.mp4") for index in range(3)] == [2, 2, 1]


def test_one_clip_without_an_interval_and_none_is_overwritten(tmp_path: Path) -> None:
    assert film(tmp_path, 16, video_interval=0) == ["clip_0000.mp4"]
    assert film(tmp_path, 16, video_interval=0) == ["clip_0000.mp4", "clip_0001.mp4"]


def test_old_clips_go(tmp_path: Path) -> None:
    assert film(tmp_path, 16, keep_last_n_clips=1) == ["clip_0002.mp4"]


def test_only_what_was_asked_for_is_recorded(tmp_path: Path) -> None:
    idle, ours, theirs = recorder(None), recorder(tmp_path), recorder(tmp_path, source="visualizer:kit")
    cfg = SimpleNamespace(video_recorders=[idle, ours, theirs])
    assert take_ours(cfg) == [ours]
    assert cfg.video_recorders == [theirs]
    assert take_ours(SimpleNamespace()) == []


def test_terms_are_keys_and_attributes() -> None:
    import copy

    terms = Terms({"torques": 1})
    terms.mine = 2
    assert (terms["mine"], terms.torques, dict(copy.deepcopy(terms))) == (2, 1, {"torques": 1, "mine": 2})
    del terms.mine
    with pytest.raises(AttributeError, match="no term 'mine'; there are torques"):
        _ = terms.mine
