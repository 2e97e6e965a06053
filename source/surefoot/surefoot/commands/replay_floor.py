"""Measure the floor of the gap score: a log that one engine wrote, replayed on another.

surefoot replay-floor --task Surefoot-Velocity-Flat-Unitree-Go1-v0 --write go1.parquet
surefoot replay-floor --task Surefoot-Velocity-Flat-Unitree-Go1-v0 --measure go1.parquet
surefoot replay-floor --task ... --measure go1.parquet --engine isaaclab --record manifests/traces/floors.yaml

Two steps, because two engines seldom live in one environment: write with the first, measure with the second.
docs/replay.md says what a floor is for.
"""

import argparse
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.add_argument("--task", required=True)
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="TRACE", help="simulate and write the log")
    what.add_argument("--measure", type=Path, metavar="TRACE", help="replay a log that was written so")
    parser.add_argument("--record", type=Path, help="file of floors to add the measurement to")
    parser.add_argument("overrides", nargs="*", metavar="key=value")


def run(args: argparse.Namespace) -> None:
    """Write or measure, print."""
    import surefoot
    from surefoot.commands.words import overrides_in
    from surefoot.engines.base import with_presets
    from surefoot.evaluation.provenance import package_versions
    from surefoot.machine import Machine
    from surefoot.manifest import compose_manifest
    from surefoot.replay.floor import add_floor, measure_floor, write_floor_log
    from surefoot.traces import read_trace, write_trace
    from surefoot_tasks import manifest_root

    engine, overrides = with_presets(args.engine, overrides_in(args.overrides, args.parser))
    manifest = compose_manifest(manifest_root(), args.task, ["simulation=full", *overrides])
    machine = Machine(engine, args.device)
    if args.write is not None:
        trace = write_floor_log(manifest, machine)
        args.write.parent.mkdir(parents=True, exist_ok=True)
        write_trace(args.write, trace)
        print(f"{args.write}: {trace.header.num_samples} samples by {trace.header.engine}")
        return
    names = ("mujoco", "isaaclab", "newton", "torch")
    versions = {name: number for name, number in package_versions().items() if name in names}
    with_what = ", ".join(f"{name} {number}" for name, number in {"surefoot": surefoot.__version__, **versions}.items())
    said = f"{time.strftime('%Y-%m-%d')}, {args.device}, {with_what}"
    floor = measure_floor(read_trace(args.measure), manifest, machine, measured=said)
    scores = ", ".join(f"{mode} {score:.3g}" for mode, score in floor.scores.items())
    print(f"{floor.robot}, log of {floor.writer} on {floor.engine}, {floor.windows} windows: {scores}")
    if args.record is not None:
        add_floor(args.record, floor)
