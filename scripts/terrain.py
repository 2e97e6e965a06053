"""Draw terrain, without a simulator.

python scripts/terrain.py classes --out classes.png
python scripts/terrain.py classes --out easy.png --difficulty 0.2
python scripts/terrain.py layout --task Surefoot-Velocity-Rough-Unitree-Go1-v0 --out rough.png
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.errors import SurefootError
from surefoot.manifest import compose_manifest
from surefoot.terrain.layout import generated_layout
from surefoot.terrain.picture import draw_classes, draw_layout
from surefoot.terrain.tiles import TileGeometry
from surefoot_tasks import manifest_root


def main() -> None:
    """Parse and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("classes", "layout"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--difficulty", type=float, default=1.0, help="of the classes, 0 to 1")
    parser.add_argument("--task", default="Surefoot-Velocity-Rough-Unitree-Go1-v0", help="whose layout")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_args()
    if args.what == "classes":
        draw_classes(args.out, args.difficulty, TileGeometry())
    else:
        generator = compose_manifest(manifest_root(), args.task, args.overrides).task.terrain.generator
        if generator is None:
            raise SurefootError(f"Task {args.task!r} is on a plane: task.terrain.kind is not 'generator'.")
        draw_layout(args.out, generated_layout(generator))
    print(args.out)


if __name__ == "__main__":
    surefoot.cli.run(main)
