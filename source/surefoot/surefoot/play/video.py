"""Video files and pictures from frames; a frame is an RGB array, uint8, shape (height, width, 3)."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from surefoot.engines.video_file import VideoFile as VideoFile
from surefoot.errors import RunFolderError, SurefootError
from surefoot.files import write_atomically


def check_output(path: Path, ending: str) -> None:
    """Refuse a file that could not be written later; leaves nothing behind.

    Raises:
        RunFolderError: Another ending, no such folder, or no right to write there.
    """
    if path.suffix.lower() != ending:
        raise RunFolderError(f"{path}: expected a name that ends in {ending}")
    if path.is_dir():
        raise RunFolderError(f"{path}: is a folder; expected the name of a file")
    probe = path.with_name(f".{path.name}.probe")
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RunFolderError(f"{path.parent}: cannot be written ({error.strerror or error})") from None


def frame_size(text: str) -> tuple[int, int]:
    """Read `640x480`: width and height, px.

    Raises:
        SurefootError: Not two even numbers from 64 to 4096, which the encoder and the renderer take.
    """
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        width, height = int(parts[0]), int(parts[1])
        if all(64 <= side <= 4096 and side % 2 == 0 for side in (width, height)):
            return width, height
    raise SurefootError(f"--size: expected WIDTHxHEIGHT, even numbers from 64 to 4096, got {text!r}")


def write_picture(path: Path, frame: np.ndarray) -> None:
    """Write one frame as PNG, whole or not at all."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG")
    write_atomically(path, buffer.getvalue())


def with_caption(frame: np.ndarray, lines: list[str]) -> np.ndarray:
    """A copy of the frame with lines of text on a dark band in its upper left corner."""
    image = Image.fromarray(frame)
    size = max(12, frame.shape[0] // 28)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(image, "RGBA")
    text, margin = "\n".join(lines), size // 2
    left, top, right, bottom = draw.multiline_textbbox((2 * margin, 2 * margin), text, font=font)
    draw.rectangle((left - margin, top - margin, right + margin, bottom + margin), fill=(0, 0, 0, 140))
    draw.multiline_text((2 * margin, 2 * margin), text, font=font, fill=(255, 255, 255, 255))
    return np.asarray(image)
