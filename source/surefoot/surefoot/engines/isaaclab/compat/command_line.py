"""Flags of Isaac Lab 2.3's scripts that 3.0's command does not have.

It takes `--resume` for the beginning of `--resume_optimizer_state`, and trains from scratch.
"""

from pathlib import Path

from surefoot.errors import EngineError

_GONE = {
    "--resume": "go on with --checkpoint latest, or name a file: --checkpoint logs/rsl_rl/TASK/RUN/model_N.pt",
    "--load_run": "name the run's folder: --checkpoint logs/rsl_rl/TASK/RUN",
    "--headless": "leave it out: nothing is shown unless --viz names a visualiser",
}


def refuse_gone_flags(command_line: list[str]) -> None:
    """Refuse a flag that a user of 2.3 means, where the process is Isaac Lab 3.0's command `isaaclab`.

    Args:
        command_line: As the process was started, the interpreter first: `sys.orig_argv`.

    Raises:
        EngineError: Names the flag and what takes its place.
    """
    program = next((index for index, text in enumerate(command_line) if Path(text).stem == "isaaclab"), None)
    if program is None:
        return
    for text in command_line[program + 1 :]:
        flag = text.split("=", 1)[0]
        if flag in _GONE:
            raise EngineError(f"{flag}: Isaac Lab 3.0 has no such flag; {_GONE[flag]}.")
