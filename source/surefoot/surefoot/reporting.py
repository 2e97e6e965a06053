"""What reports share: numbers for people, plain values for machines."""

import json
import math
import sys
from pathlib import Path
from typing import Any

from surefoot.files import write_atomically


def say(*lines: str, aside: bool = False) -> None:
    """Tell the person at the console what goes on; the one place where the library prints.

    Args:
        lines: One below the other.
        aside: On stderr, where a report is about to go to stdout.
    """
    if lines:
        # At once: a run that is killed, or whose console is a file, has told all that it did.
        print(*lines, sep="\n", file=sys.stderr if aside else sys.stdout, flush=True)


def number(value: float | None, form: str = ".3g") -> str:
    """A number in a Python format; a dash for what could not be measured."""
    return "-" if value is None else format(value, form)


def finite(value: Any) -> Any:
    """Plain values with None in place of numbers that are not finite, which JSON lacks."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, plain: Any, indent: int = 2) -> None:
    """Write plain values atomically, for people and machines; NaN is refused.

    Raises:
        RunFolderError: The folder cannot be written; nothing is left behind.
    """
    write_atomically(path, (json.dumps(plain, indent=indent, allow_nan=False) + "\n").encode())
