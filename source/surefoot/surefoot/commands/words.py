"""What the words between the options mean: overrides of a manifest, and a run where one is expected."""

import argparse
from pathlib import Path

from surefoot.errors import ManifestError, SurefootError
from surefoot_tasks import list_tasks

_ELSEWHERE = ("env", "agent")
"""Sections of Isaac Lab's overrides; their last part is often an option here."""

_HERE = ("seed", "task")
"""Options whose names are also keys or groups of the manifest: `seed=2` and `task=velocity_rough` are overrides."""


def overrides_in(words: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """The overrides, once what belongs elsewhere has been refused.

    Args:
        words: Between the options.
        parser: Whose options are the way out.

    Raises:
        ManifestError: A word is no override, or is called otherwise here.
    """
    options = {text.lstrip("-").replace("-", "_"): text for action in parser._actions for text in action.option_strings}  # pyright: ignore[reportPrivateUsage]
    for word in words:
        key, equals, value = word.partition("=")
        if not equals and not word.startswith("~"):
            way_out = f"--task {word}" if word in list_tasks() else "an option such as --task NAME"
            raise ManifestError(f"command line: {word!r} is no override: expected key=value, or {way_out}")
        section, _, last = key.rpartition(".")
        if key == "task" and value in list_tasks():
            raise ManifestError(f"command line: {word}: expected --task {value}")
        if "headless" in (key, last):
            raise ManifestError(f"command line: {word}: nothing here opens a window but `surefoot play`: leave it out")
        if last in options and (not section or section.split(".")[0] in _ELSEWHERE) and key not in _HERE:
            raise ManifestError(f"command line: {word}: expected {options[last]} {value}")
        if section.split(".")[0] in _ELSEWHERE:
            raise ManifestError(
                f"command line: {word}: the sections here are task, ppo, training, randomization and so on. "
                "`surefoot manifest show TASK` prints every key"
            )
    return words


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Names that stand among overrides, as in `surefoot play latest simulation=full`, and the overrides."""
    names = [word for word in words if ("=" not in word and not word.startswith("~")) or Path(word).exists()]
    return names, [word for word in words if word not in names]


def one_run(option: Path | None, words: list[str], what: str) -> tuple[Path, list[str]]:
    """The run or checkpoint of an option, or the one name among the words, and the overrides.

    Raises:
        SurefootError: None is named, or several are.
    """
    names, overrides = split(words) if option is None else ([], words)
    if option is not None:
        return option, overrides
    if len(names) != 1:
        came = f"got {len(names)} names" if names else "none was named"
        raise SurefootError(f"Expected one {what}, {came}: --checkpoint FILE, a run folder, or `latest`.")
    return Path(names[0]), overrides
