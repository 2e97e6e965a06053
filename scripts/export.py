"""Write a trained policy as ONNX and TorchScript, with metadata for the robot's controller.

python scripts/export.py --checkpoint runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN/model_400.pt
python scripts/export.py --checkpoint model_400.pt --output deploy/go1

Default output: `exported/` beside the checkpoint. docs/playing.md says what the files hold.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.rl.export import export_policy
from surefoot.runs import checkpoint


def main() -> None:
    """Read and check the checkpoint, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--output", type=Path, help="folder; default: exported/ beside the checkpoint")
    args = parser.parse_args()

    loaded = checkpoint.load(args.checkpoint)
    for caveat in checkpoint.without_extension(loaded.manifest)[1]:
        print(f"note: {caveat}")
    for path in export_policy(loaded, args.output or args.checkpoint.parent / "exported"):
        print(path)


if __name__ == "__main__":
    surefoot.cli.run(main)
