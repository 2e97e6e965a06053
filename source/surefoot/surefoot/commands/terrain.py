"""Draw terrain, without a simulator.

surefoot terrain classes --out classes.png
surefoot terrain classes --out easy.png --difficulty 0.2
surefoot terrain layout --task Surefoot-Velocity-Rough-Unitree-Go1-v0 --out rough.png
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.add_argument("what", choices=("classes", "layout"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--difficulty", type=float, default=1.0, help="of the classes, 0 to 1")
    parser.add_argument("--task", default="Surefoot-Velocity-Rough-Unitree-Go1-v0", help="whose layout")
    parser.add_argument("overrides", nargs="*", metavar="key=value")


def run(args: argparse.Namespace) -> None:
    """Draw."""
    from surefoot.commands.words import overrides_in
    from surefoot.errors import SurefootError
    from surefoot.manifest import compose_manifest
    from surefoot.terrain.layout import generated_layout
    from surefoot.terrain.picture import draw_classes, draw_layout
    from surefoot.terrain.tiles import TileGeometry
    from surefoot_tasks import manifest_root

    if args.what == "classes":
        draw_classes(args.out, args.difficulty, TileGeometry())
    else:
        generator = compose_manifest(
            manifest_root(), args.task, overrides_in(args.overrides, args.parser)
        ).task.terrain.generator
        if generator is None:
            raise SurefootError(f"Task {args.task!r} is on a plane: task.terrain.kind is not 'generator'.")
        draw_layout(args.out, generated_layout(generator))
    print(args.out)
