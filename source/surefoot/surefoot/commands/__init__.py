"""The command `surefoot`: one module for each word that can follow it, imported when that word is typed.

A module of a command has a docstring, which is its help; `add_arguments`, which imports nothing heavy; and `run`, which
may. Only this package and `surefoot.cli` decide what the process prints last and with which code it ends:

0 done; 1 refused or failed, with one message on stderr; 2 the command line cannot be understood, or `crosscheck` found
a difference; 3 and 4 `gate` does not promote; 129 and 143 ended by SIGHUP or SIGTERM, a training saved; 130 interrupted
by Ctrl-C.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

import surefoot
import surefoot.cli
from surefoot.errors import did_you_mean, nearest

COMMANDS = {
    "train": "train a policy, or go on with a run",
    "play": "show a policy in the browser, or film it",
    "evaluate": "measure a policy, or put it through a panel of conditions",
    "compare": "compare two policies under one panel",
    "record": "print what a run has done and how good it is",
    "gate": "decide whether a policy takes the champion's place",
    "ledger": "ask all runs at once: list, best, champions, SQL",
    "report": "write one HTML page about a run, or about all runs",
    "accounts": "draw a run's accounts of reward, episodes and buckets",
    "export": "write a policy as ONNX and TorchScript",
    "tasks": "list the tasks that --task takes",
    "manifest": "show, compare or hash manifests",
    "new": "make a package for a robot, reward and task of your own",
    "trace": "import, describe, draw and check logs of robots",
    "replay": "replay a robot's log in simulation and measure the gap",
    "replay-floor": "measure the floor of the gap score",
    "replay-faults": "repeat the faults of a training run",
    "fetch-traces": "download public logs of robots",
    "worker": "evaluate what a run has scheduled and nobody has evaluated",
    "crosscheck": "ask whether two engines simulate one task",
    "terrain": "draw terrain",
    "completion": "print what makes your shell complete these words",
}
"""Each with what it is for, in the order of the help."""


class Parser(argparse.ArgumentParser):
    """Says what is nearest to an option that does not exist."""

    def error(self, message: str) -> NoReturn:
        """End with the usage, the message and a way out."""
        unknown = "unrecognized arguments: "
        if message.startswith(unknown):
            message += f". {self._hint(message.removeprefix(unknown).split()[0])}"
        super().error(message)

    def _hint(self, word: str) -> str:
        known = self.options()
        name = word.partition("=")[0]
        if name == "--headless":
            return "Nothing here opens a window but `surefoot play`: leave it out."
        near = nearest(name, known)
        return f"Did you mean {near}?" if near else f"Known: {', '.join(sorted(known))}."

    def options(self) -> list[str]:
        """Every option in its long form."""
        return [text for action in self._actions for text in action.option_strings if text.startswith("--")]


def entry() -> None:
    """The console command."""
    surefoot.cli.run(main)


def main(argv: Sequence[str] | None = None) -> None:
    """Find the command, read its arguments, run it; `argv` is without the program's name."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return
    if words[0] == "--version":
        print(f"surefoot {surefoot.__version__}")
        return
    name = words[0].replace("_", "-")
    if name not in COMMANDS:
        hint = f"{did_you_mean(name, COMMANDS)} `surefoot --help` lists all."
        print(f"error: no command {words[0]!r}. {hint}", file=sys.stderr)
        surefoot.cli.leave(2)
    parser = parser_of(name)
    rest = [_dashed(word) for word in words[1:]]
    intermixed = not any(isinstance(action, argparse._SubParsersAction) for action in parser._actions)  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
    args = parser.parse_intermixed_args(rest) if intermixed else parser.parse_args(rest)
    args.parser = parser
    _module(name).run(args)


def parser_of(name: str) -> Parser:
    """The parser of a command."""
    module = _module(name)
    parser = Parser(
        prog=f"surefoot {name}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    return parser


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"surefoot.commands.{name.replace('-', '_')}")


def _dashed(word: str) -> str:
    """`--num_envs` is `--num-envs`; values and overrides stay as they are."""
    if not word.startswith("--"):
        return word
    option, equals, value = word.partition("=")
    return option.replace("_", "-") + equals + value


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            f"surefoot {surefoot.__version__}: train legged robots to walk, and test them where they were not trained.",
            "",
            "usage: surefoot COMMAND [options] [key=value ...]",
            "",
            *lines,
            "",
            "surefoot COMMAND --help has options and examples. A run is a folder, a checkpoint in it, or `latest`.",
            "Exit codes: 0 done, 1 refused or failed, 2 the command line is wrong (crosscheck: the engines differ), "
            "3 and 4 `gate` does not promote, 130 interrupted.",
        ]
    )
