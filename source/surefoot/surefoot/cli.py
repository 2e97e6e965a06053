"""How scripts end: one clear message and an exit code."""

import os
import sys
import traceback
from collections.abc import Callable

from surefoot.errors import SurefootError


def run(main: Callable[[], None]) -> None:
    """Call `main`; a SurefootError becomes its message on stderr and exit code 1, Ctrl-C exit code 130."""
    try:
        main()
    except SurefootError as error:
        print(f"error: {error}", file=sys.stderr)
        leave(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        leave(130)
    except Exception:
        if not _in_isaac_sim():
            raise
        traceback.print_exc()
        leave(1)


def leave(code: int) -> None:
    """End with this exit code, also under Isaac Sim, which ends a process with 0 whatever went wrong.

    Source: IsaacSim#717, on `SimulationApp.close` with fast shutdown.
    """
    if _in_isaac_sim():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _in_isaac_sim() -> bool:
    return "isaacsim" in sys.modules
