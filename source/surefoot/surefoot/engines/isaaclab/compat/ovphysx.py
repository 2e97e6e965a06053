"""PhysX without Isaac Sim: what Isaac Lab 3.0.0 needs before it runs on a machine without CUDA."""

import functools
import importlib.util
import warnings
from typing import Any

from surefoot.errors import MissingExtra


def check_installed(number: str) -> None:
    """Refuse to start without the packages of Isaac Lab's extra.

    Args:
        number: Version of Isaac Lab, for the command that installs them.

    Raises:
        MissingExtra: One of them is not installed.
    """
    missing = [name for name in ("ovphysx", "ovstage") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"PhysX without Isaac Sim needs {' and '.join(missing)}. Install Isaac Lab's extra: "
            f"pip install 'isaaclab[ovphysx]=={number}'"
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
        "There is no CUDA device, and Isaac Lab asks for memory that only CUDA can pin; it gets ordinary memory instead.",
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
