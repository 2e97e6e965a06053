"""Names of devices."""

import re

import torch

from surefoot.errors import EngineError


def check_device(device: str) -> str:
    """Refuse a device that does not exist; `cuda` becomes `cuda:0`.

    Raises:
        EngineError: An unknown name, or a GPU that torch does not see.
    """
    if device == "cpu":
        return device
    if not re.fullmatch(r"cuda(:\d+)?", device):
        raise EngineError(f"Device {device!r} is unknown; expected cpu or cuda:N.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(device.partition(":")[2] or 0)
    if index >= count:
        raise EngineError(f"Device {device!r} is not there: torch sees {count} CUDA devices. Run with --device cpu.")
    return f"cuda:{index}"
