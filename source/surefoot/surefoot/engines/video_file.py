"""Video files from frames; a frame is an RGB array, uint8, shape (height, width, 3)."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, Self

import numpy as np

from surefoot.errors import MissingExtra, RunFolderError


class VideoFile:
    """An H.264 video in MP4, written beside its place and moved there when it is complete.

    Args:
        path: Ends in .mp4.
        size: Width and height, px, even.
        fps: Frames per second.

    Raises:
        MissingExtra: The encoder is not installed.
        RunFolderError: A frame cannot be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self.path = path
        self._size = size
        self._fps = fps
        self._temporary = path.with_name(f".{path.stem}.{os.getpid()}.mp4")
        self._writer: Generator[None, Any, None] | None = None

    def __enter__(self) -> Self:
        try:
            import imageio_ffmpeg
        except ImportError:
            raise MissingExtra("Videos need imageio-ffmpeg. Install it: pip install imageio-ffmpeg") from None
        writer: Generator[None, Any, None] = imageio_ffmpeg.write_frames(
            str(self._temporary),
            self._size,
            fps=self._fps,  # pyright: ignore[reportArgumentType]  # fractions are documented
            codec="libx264",
            quality=7,
            macro_block_size=2,
            ffmpeg_log_level="quiet",
        )
        writer.send(None)
        self._writer = writer
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append one frame."""
        assert self._writer is not None
        try:
            self._writer.send(np.ascontiguousarray(frame))
        except OSError as error:
            raise self._failed(str(error).strip().splitlines()) from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._writer is not None
        try:
            self._writer.close()
            if kind is None:
                if not self._temporary.is_file() or self._temporary.stat().st_size == 0:
                    raise self._failed([])
                os.replace(self._temporary, self.path)
        finally:
            with contextlib.suppress(OSError):
                self._temporary.unlink()

    def _failed(self, lines: list[str]) -> RunFolderError:
        reason = next((line for line in reversed(lines) if "error" in line.lower() or "space" in line.lower()), "")
        return RunFolderError(f"{self.path}: the encoder gave up ({reason[:160] or 'is the disk full?'})")
