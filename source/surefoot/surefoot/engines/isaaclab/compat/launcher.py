"""Starting Isaac Sim, where the physics needs it."""

import contextlib
import importlib
import importlib.util
import io
import signal
import sys
from collections.abc import Iterator
from typing import Any

from surefoot.engines.isaaclab.compat.ovphysx import allow_ordinary_memory, check_cpu
from surefoot.engines.isaaclab.compat.versions import check_packages
from surefoot.errors import EngineError

_app: Any = None


def launch(version: str, backend: str, device: str) -> None:
    """Start Isaac Sim where the backend needs it; must come before any other import of Isaac Lab.

    Raises:
        EngineError: Isaac Sim is needed and not installed, or too old.
    """
    if version == "3.0":
        check_packages(backend)
    if backend == "newton_mjwarp":
        return
    if backend == "ovphysx":
        check_cpu()
        allow_ordinary_memory()
        return
    if importlib.util.find_spec("isaacsim") is None:
        wanted = "Isaac Sim 5.1" if version == "2.3" else "Isaac Sim 6"
        way_out = "" if version == "2.3" else " Or use --engine isaaclab:ovphysx, which runs without."
        raise EngineError(
            f"PhysX on Isaac Lab {version} needs {wanted}, which is not installed: pip install "
            f"'isaacsim[all,extscache]' --extra-index-url https://pypi.nvidia.com.{way_out}"
        )
    global _app
    if _app is None:
        with _process_as_it_was():
            from isaaclab.app import AppLauncher

            _app = AppLauncher(headless=True, device=device).app
    _check_isaac_sim(version)


def _check_isaac_sim(version: str) -> None:
    """Isaac Lab 2.3 runs on Isaac Sim 4.5 too, where a joint's friction is a coefficient, not a torque."""
    number = importlib.import_module("isaacsim.core.version").get_version()[2:5]
    if int(number[0]) < 5:
        raise EngineError(
            f"PhysX on Isaac Lab {version} needs Isaac Sim 5 or newer, whose joints have friction in N m; installed is "
            f"{'.'.join(number)}. Install Isaac Sim 5.1."
        )


@contextlib.contextmanager
def _process_as_it_was() -> Iterator[None]:
    """Kit reads the command line as its own; the launcher replaces stdout and takes signals from the trainer."""
    command_line, handlers = sys.argv, {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.argv = command_line[:1]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        sys.argv = command_line
        for number, handler in handlers.items():
            if handler is not None:  # None: not set from Python
                signal.signal(number, handler)
