"""PhysX without Isaac Sim: what Isaac Lab 3.0.0 needs before it runs on a machine without CUDA."""

import functools
import re
import warnings
from pathlib import Path
from typing import Any

from surefoot.errors import EngineError


def check_cpu(info: Path = Path("/proc/cpuinfo")) -> None:
    """Refuse a processor that PhysX's binaries end on with "illegal instruction".

    Raises:
        EngineError: An x86 processor without AVX.
    """
    text = info.read_text() if info.is_file() else ""
    flags = re.search(r"^flags\s*:(.*)$", text, flags=re.MULTILINE)
    if flags is not None and "avx" not in flags[1].split():
        raise EngineError(
            "PhysX without Isaac Sim needs a processor with AVX, which this one does not have. Use --engine "
            "isaaclab:newton_mjwarp."
        )


def allow_ordinary_memory() -> None:
    """Give ordinary memory to who asks Warp for pinned memory, where no CUDA device is.

    `isaaclab_ov` 3.0.0 asks for page-locked host memory on every device, which only a CUDA driver can give; on a CPU it
    stops with "Failed to allocate". Its buffers are read by the same process, so ordinary memory serves.
    """
    import warp

    if warp.is_cuda_available() or hasattr(warp.zeros, "__wrapped__"):
        return
    warnings.warn(
        "Isaac Lab asks for memory that only CUDA can pin, and there is no CUDA device; it gets ordinary memory.",
        stacklevel=2,
    )
    for name in ("zeros", "empty"):
        setattr(warp, name, _without_pinning(getattr(warp, name)))


def _without_pinning(allocate: Any) -> Any:
    @functools.wraps(allocate)
    def allocate_anywhere(*args: Any, **kwargs: Any) -> Any:
        kwargs.pop("pinned", None)
        return allocate(*args, **kwargs)

    return allocate_anywhere
