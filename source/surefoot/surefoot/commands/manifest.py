"""Show, compare or hash manifests.

surefoot manifest show Surefoot-Velocity-Flat-Unitree-Go1-v0
surefoot manifest show Surefoot-Velocity-Flat-Unitree-Go1-v0 simulation=full ppo.gamma=0.98
surefoot manifest diff Surefoot-Velocity-Flat-Unitree-Go1-v0 runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN
surefoot manifest diff Surefoot-Velocity-Flat-Unitree-Go1-v0 Surefoot-Velocity-Flat-Unitree-Go1-v0 seed=2
surefoot manifest hash Surefoot-Velocity-Flat-Unitree-Go1-v0 runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/*

A manifest is a task name, a run (its folder, or `latest`) or a manifest.yaml; overrides (key=value) belong to the one
that they follow.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot.errors import SurefootError

if TYPE_CHECKING:
    from surefoot.manifest import Manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.add_argument("action", choices=("show", "diff", "hash"))
    parser.add_argument("what", nargs="+", metavar="MANIFEST [key=value ...]")


def run(args: argparse.Namespace) -> None:
    """Load, print."""
    from surefoot.manifest import diff_manifests, format_diff, manifest_text

    manifests = [(what, load(what, overrides, args.parser)) for what, overrides in grouped(args.what)]
    if args.action == "hash":
        for what, manifest in manifests:
            print(f"{manifest.sha256}  {what}")
    elif args.action == "show":
        for _, manifest in manifests:
            print(manifest_text(manifest), end="")
    elif len(manifests) != 2:
        raise SurefootError(f"diff compares two manifests, got {len(manifests)}.")
    else:
        rows = diff_manifests(manifests[0][1], manifests[1][1])
        print(format_diff(rows) if rows else f"identical: {manifests[0][1].sha256}")


def grouped(words: list[str]) -> list[tuple[str, list[str]]]:
    """Each manifest with the overrides that follow it."""
    groups: list[tuple[str, list[str]]] = []
    for word in words:
        if ("=" not in word and not word.startswith("~")) or Path(word).exists():
            groups.append((word, []))
        elif groups:
            groups[-1][1].append(word)
        else:
            raise SurefootError(f"{word!r}: name a manifest first; overrides belong to the one that they follow.")
    return groups


def load(what: str, overrides: list[str], parser: argparse.ArgumentParser) -> "Manifest":
    """A task's manifest, or the one in a run folder or file."""
    from surefoot.commands.words import overrides_in
    from surefoot.manifest import compose_manifest, override_manifest, read_manifest
    from surefoot.manifest.compose import check_task
    from surefoot.manifest.store import FILE_NAME
    from surefoot.runs.locate import LATEST, run_folder
    from surefoot_tasks import manifest_root

    overrides, path = overrides_in(overrides, parser), Path(what)
    if path.suffix == ".yaml" and path.is_file():
        return override_manifest(read_manifest(path), overrides)
    if path.exists() or what == LATEST:
        return override_manifest(read_manifest(run_folder(path) / FILE_NAME), overrides)
    check_task(manifest_root(), what)
    return compose_manifest(manifest_root(), what, overrides)
