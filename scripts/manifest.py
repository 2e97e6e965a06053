"""Show, compare or hash manifests.

python scripts/manifest.py show Surefoot-Velocity-Flat-Unitree-Go1-v0
python scripts/manifest.py show Surefoot-Velocity-Flat-Unitree-Go1-v0 simulation=full ppo.gamma=0.98
python scripts/manifest.py diff Surefoot-Velocity-Flat-Unitree-Go1-v0 runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN
python scripts/manifest.py diff Surefoot-Velocity-Flat-Unitree-Go1-v0 Surefoot-Velocity-Flat-Unitree-Go1-v0 seed=2
python scripts/manifest.py hash Surefoot-Velocity-Flat-Unitree-Go1-v0 runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/*

A manifest is a task name, a run folder or a manifest.yaml; overrides (key=value) belong to the one that they follow.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.errors import SurefootError
from surefoot.manifest import (
    Manifest,
    compose_manifest,
    diff_manifests,
    format_diff,
    manifest_text,
    override_manifest,
    read_manifest,
)
from surefoot.manifest.store import FILE_NAME
from surefoot_tasks import manifest_root


def main() -> None:
    """Parse, load, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("show", "diff", "hash"))
    parser.add_argument("what", nargs="+", metavar="MANIFEST [key=value ...]")
    args = parser.parse_args()
    manifests = [(what, load(what, overrides)) for what, overrides in grouped(args.what)]
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


def load(what: str, overrides: list[str]) -> Manifest:
    """A task's manifest, or the one in a run folder or file."""
    path = Path(what)
    if path.exists():
        return override_manifest(read_manifest(path / FILE_NAME if path.is_dir() else path), overrides)
    return compose_manifest(manifest_root(), what, overrides)


if __name__ == "__main__":
    surefoot.cli.run(main)
