"""Videos and pictures are whole or absent."""

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from surefoot.errors import RunFolderError, SurefootError
from surefoot.play.video import VideoFile, check_output, frame_size, with_caption, write_picture

GREY = np.full((64, 96, 3), 128, dtype=np.uint8)


def test_a_video_holds_every_frame_at_its_rate(tmp_path: Path):
    with VideoFile(tmp_path / "walk.mp4", (96, 64), fps=25) as video:
        for _ in range(10):
            video.write(GREY)
    frames = imageio_ffmpeg.read_frames(tmp_path / "walk.mp4")
    about = next(frames)
    shades = [np.frombuffer(frame, dtype=np.uint8).mean() for frame in frames]
    assert (about["size"], about["fps"], len(shades)) == ((96, 64), 25.0, 10)
    assert np.allclose(shades, 128, atol=4)  # the encoder loses a little
    assert [path.name for path in tmp_path.iterdir()] == ["walk.mp4"]


def test_a_film_that_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    (tmp_path / "walk.mp4").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), VideoFile(tmp_path / "walk.mp4", (96, 64), fps=25) as video:
        video.write(GREY)
        raise ZeroDivisionError
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("walk.mp4", b"old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file on a full disk")
def test_a_full_disk_is_one_clear_error(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    video = VideoFile(tmp_path / "walk.mp4", (96, 64), fps=25)
    video._temporary.symlink_to("/dev/full")
    with pytest.raises(RunFolderError, match=r"walk.mp4: the encoder gave up"), video:
        for _ in range(300):
            video.write(noise)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_comes_back_as_it_was(tmp_path: Path):
    frame = np.arange(64 * 96 * 3, dtype=np.uint32).astype(np.uint8).reshape(64, 96, 3)
    write_picture(tmp_path / "frame.png", frame)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "frame.png")), frame)


def test_a_caption_changes_only_the_corner_it_is_in():
    frame = np.full((480, 640, 3), 128, dtype=np.uint8)
    captioned = with_caption(frame, ["0.0 s", "vx 0.5"])
    assert (frame == 128).all()
    assert (captioned[:80, :100] != 128).any()
    assert (captioned[240:] == 128).all() and (captioned[:, 320:] == 128).all()


@pytest.mark.parametrize("text", ["640", "640x", "x480", "641x480", "0x480", "-64x480", "9999x480", "640x480x3"])
def test_sizes_that_no_encoder_takes_are_refused(text: str):
    with pytest.raises(SurefootError, match="--size: expected WIDTHxHEIGHT"):
        frame_size(text)


def test_a_size_is_width_then_height():
    assert frame_size("960x540") == (960, 540)


def test_outputs_that_cannot_be_written_are_refused(tmp_path: Path):
    (tmp_path / "folder.mp4").mkdir()
    for path, message in (
        (tmp_path / "walk.avi", "ends in .mp4"),
        (tmp_path / "folder.mp4", "is a folder"),
        (tmp_path / "absent" / "walk.mp4", "cannot be written"),
    ):
        with pytest.raises(RunFolderError, match=message):
            check_output(path, ".mp4")
    check_output(tmp_path / "walk.mp4", ".mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.mp4"]
