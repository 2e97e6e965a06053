"""Write a trained policy as ONNX and TorchScript, with metadata for the robot's controller.

surefoot export latest
surefoot export --checkpoint model_400.pt --output deploy/go1

Default output: `exported/` beside the checkpoint. docs/playing.md says what the files hold.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The policy, and where to."""
    parser.add_argument("--checkpoint", type=Path, help="a file, a run folder (its newest checkpoint), or `latest`")
    parser.add_argument("--output", type=Path, help="folder; default: exported/ beside the checkpoint")
    parser.add_argument("run", nargs="*", metavar="RUN", help="in place of --checkpoint")


def run(args: argparse.Namespace) -> None:
    """Read and check the checkpoint, then write."""
    from surefoot.commands.words import one_run
    from surefoot.runs.locate import checkpoint_file

    path = checkpoint_file(one_run(args.checkpoint, args.run, "policy to export")[0])

    from surefoot.rl.export import export_policy
    from surefoot.runs import checkpoint

    loaded = checkpoint.load(path)
    for caveat in checkpoint.without_extension(loaded.manifest)[1]:
        print(f"note: {caveat}")
    for written in export_policy(loaded, args.output or path.parent / "exported"):
        print(written)
