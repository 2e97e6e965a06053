"""How scripts end: one clear message and an exit code."""

import sys
from collections.abc import Callable

from surefoot.errors import SurefootError


def run(main: Callable[[], None]) -> None:
    """Call `main`; a SurefootError becomes its message on stderr and exit code 1, Ctrl-C exit code 130."""
    try:
        main()
    except SurefootError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
