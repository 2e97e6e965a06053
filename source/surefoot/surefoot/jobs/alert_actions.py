"""What an alert does to a run: pause until somebody has looked, or end it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from surefoot.audit.alerts.alerts import Alert
from surefoot.jobs.reactions import silencing

PAUSED = "PAUSED"
"""File in the run folder while a run waits; deleting it lets the run go on."""
_LOOK_EVERY = 0.5
"""s."""


def pause(alerts: Sequence[Alert], folder: Path | None, iteration: int, interrupted: Callable[[], bool]) -> None:
    """Wait until the file `PAUSED` in the run folder is deleted, or the run is interrupted.

    A run without a folder cannot be released, so it goes on.
    """
    if folder is None:
        return
    file = folder / PAUSED
    try:
        file.write_text("".join(f"iteration {iteration}: {_say(alert)}\n" for alert in alerts))
    except OSError as error:
        print(f"The run is not paused: {file} cannot be written ({error.strerror}).", flush=True)
        return
    print(f"Paused after iteration {iteration}. Delete {file} to go on; Ctrl-C ends the run.", flush=True)
    while file.exists() and not interrupted():
        time.sleep(_LOOK_EVERY)
    file.unlink(missing_ok=True)


def stop_message(alerts: Sequence[Alert], folder: Path | None, iteration: int) -> str:
    """Why a run was ended, and what to do with it."""
    reasons = "; ".join(_say(alert) for alert in alerts)
    silent = " ".join(sorted({silencing(alert) for alert in alerts}))
    lines = [f"Training stopped after iteration {iteration}: {reasons}"]
    if folder is not None:
        faults = folder / f"faults_{iteration}.pt"
        if faults.is_file():
            lines.append(f"The first faults can be replayed: python scripts/replay_faults.py {faults}")
        lines.append(
            f"To go on all the same: python scripts/train.py --resume {folder} {silent} --allow-manifest-change"
        )
    return "\n       ".join(lines)


def _say(alert: Alert) -> str:
    return f"{alert.kind} ({alert.subject}): {alert.message}"
