"""Flags of Isaac Lab's commands that 3.0 has no more: it would pass them on to Hydra, which takes no notice."""

from pathlib import Path

from surefoot.errors import EngineError

_GONE = {
    "--resume": "go on with --checkpoint latest, or name a file: --checkpoint logs/rsl_rl/TASK/RUN/model_N.pt",
    "--load_run": "name the run's folder: --checkpoint logs/rsl_rl/TASK/RUN",
    "--headless": "leave it out: nothing is shown unless --viz names a visualiser",
}


def refuse_gone_flags(argv: list[str]) -> None:
    """Refuse a flag that a user of 2.3 means, where the command line is one of Isaac Lab 3.0's command.

    Args:
        argv: The command line once Isaac Lab has taken its own flags out.

    Raises:
        EngineError: Names the flag and what takes its place.
    """
    program = Path(argv[0])
    if program.stem != "isaaclab" and program.parts[-2:] != ("isaaclab", "__main__.py"):
        return
    for text in argv[1:]:
        flag = text.split("=", 1)[0]
        if flag in _GONE:
            raise EngineError(f"{flag}: Isaac Lab 3.0 has no such flag and would ignore it; {_GONE[flag]}.")
