"""How a command ends: what it says, and with which code."""

import signal
from collections.abc import Callable

import pytest

from surefoot import cli
from surefoot.errors import Interrupted, SurefootError


def raising(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SurefootError("no such thing"), 1, "error: no such thing"),
        (Interrupted(signal.SIGTERM, "run: saved"), 143, "run: saved"),
        (Interrupted(signal.SIGHUP, "run: saved"), 129, "run: saved"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "error: the memory does not suffice (no reason given)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "error: the memory does not suffice"),
    ],
)
def test_one_line_and_a_code(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        cli.run(raising(error))
    output = capsys.readouterr().err
    assert ended.value.code == code and output.startswith(said) and output.count("\n") == 1


def test_a_bug_stays_a_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(raising(ZeroDivisionError("a bug")))
