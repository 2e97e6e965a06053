"""Decompression with a limit: a small bag must not fill the memory or the disk.

rosbags decompresses chunks, messages and files to whatever comes out of them (0.11).
"""

# pyright: basic
# The compressors' decoders are duck-typed.

from collections.abc import Callable
from pathlib import Path
from typing import Any

from backports import zstd
from lz4.frame import LZ4FrameDecompressor
from rosbags.rosbag2 import storage_mcap

from surefoot.errors import TraceError
from surefoot.traces.sources.archive import MAX_BYTES

MAX_BLOCK = 512 * 1024**2
"""Bytes of one chunk or message; recorders write chunks of 1 to 4 MB."""
_BLOCK = 1024**2


def decompressed(data: bytes, most: int, decoder: Callable[[], Any] = zstd.ZstdDecompressor) -> bytes:
    """Decompress one block, of one frame or more.

    Args:
        data: Compressed.
        most: Bytes that may come out.
        decoder: Makes a streaming decompressor.

    Raises:
        ValueError: More comes out, or the data end within a frame.
    """
    parts: list[bytes] = []
    left = most
    while data:
        stream = decoder()
        # One byte more than allowed is enough to know.
        part = stream.decompress(data, max_length=left + 1)
        left -= len(part)
        if left < 0:
            raise ValueError(f"more than {most / 1e6:,.3g} MB come out of {len(data):,} compressed bytes; refused")
        if not stream.eof:
            raise ValueError("the compressed data end too early")
        parts.append(part)
        # Compressors may write several frames, one after the other.
        data = stream.unused_data or b""
    return b"".join(parts)


def _chunk(decoder: Callable[[], Any]) -> Callable[[bytes, int], bytes]:
    """What rosbags calls for a chunk of an MCAP; the size is the one that the chunk announces."""
    return lambda data, size: decompressed(data, min(size, MAX_BLOCK), decoder)


def limit_chunks() -> None:
    """Give rosbags' reader of MCAP decompressors with a limit."""
    decoders = {"zstd": zstd.ZstdDecompressor, "lz4": LZ4FrameDecompressor}
    storage_mcap.DECOMPRESSORS.update({name: _chunk(decoder) for name, decoder in decoders.items()})


def check_file(path: Path, most: int = MAX_BYTES) -> None:
    """Refuse a compressed file out of which too much comes; it is read once, nothing is kept.

    Raises:
        TraceError: Too large, or damaged.
    """
    size = 0
    try:
        with zstd.open(path, "rb") as file:
            while block := file.read(_BLOCK):
                size += len(block)
                if size > most:
                    raise TraceError(
                        f"{path}: more than {most / 1e9:.3g} GB unpacked; unpack it yourself (`zstd -d`), "
                        "and set compression_mode to NONE in metadata.yaml."
                    )
    except (zstd.ZstdError, EOFError, OSError) as error:
        raise TraceError(f"{path}: cannot be unpacked ({str(error)[:160]}).") from None
