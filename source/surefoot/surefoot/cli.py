"""How scripts end: one clear message and an exit code."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from surefoot.errors import Interrupted, SurefootError, is_out_of_memory

_LESS = "End other programs, or ask for less: fewer environments (--num-envs N), shorter logs."


def run(main: Callable[[], None]) -> None:
    """Call `main`; a SurefootError becomes its message on stderr and exit code 1, Ctrl-C exit code 130."""
    try:
        main()
    except Interrupted as error:
        _say(str(error))
        leave(128 + error.signal)  # as a shell reports it
    except SurefootError as error:
        _say(f"error: {error}")
        leave(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        leave(130)
    except Exception as error:
        if is_out_of_memory(error):
            reason = " ".join(str(error).split())[:160] or "no reason given"
            _say(f"error: the memory does not suffice ({reason}). {_LESS}")
            leave(1)
        if not _in_isaac_sim():
            raise
        traceback.print_exc()
        leave(1)


def _say(line: str) -> None:
    with suppress(OSError):  # a terminal that has hung up
        print(line, file=sys.stderr, flush=True)


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
