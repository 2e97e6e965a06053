"""Replay a robot's log in simulation, in all randomisation buckets of a task at once, and measure the gap.

surefoot replay --trace walk.parquet --card walk.yaml --task Surefoot-Velocity-Flat-Unitree-Go2-v0
surefoot replay --trace walk.parquet --task ... --mode actuator --horizon 1.0 --film walk.mp4
surefoot replay --trace walk.parquet --task ... 'randomization.bucket_by=[control_delay]' \
    'randomization.factors.control_delay={edges: [0, 1, 2, 3], mode: startup}'

surefoot replay --trace walk.parquet --checkpoint latest    # the policy's turn

docs/replay.md says what the modes and numbers mean.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.add_argument("--trace", type=Path, required=True, help="as `surefoot trace import` writes it")
    parser.add_argument("--card", type=Path, help="the trace's card: segments and gains")
    parser.add_argument("--task", help="whose robot, physics and randomisation are used")
    parser.add_argument("--checkpoint", type=Path, help="run its policy under the log's commands (mode closed_loop)")
    parser.add_argument(
        "--mode", choices=("actuator", "open_loop", "torque"), default="open_loop", help="without a checkpoint"
    )
    parser.add_argument("--horizon", type=float, default=0.4, help="s, length of a window")
    parser.add_argument("--lead", type=float, default=0.0, help="s that commands were in force before their stamps")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--threads", type=int, default=0, help="physics threads on a CPU; 0 means all cores")
    parser.add_argument("--max-envs", type=int, help="environments of one batch")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling")
    parser.add_argument("--out", type=Path, default=Path("outputs/replay"), help="folder for the report and pictures")
    parser.add_argument("--film", type=Path, metavar="MP4", help="recorded and simulated motion side by side")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the log in the film")
    parser.add_argument("overrides", nargs="*", metavar="key=value")


def run(args: argparse.Namespace) -> None:
    """Replay, print, write and draw."""
    from surefoot.commands.words import overrides_in
    from surefoot.manifest.compose import check_task
    from surefoot.runs.locate import checkpoint_file
    from surefoot_tasks import manifest_root

    overrides = overrides_in(args.overrides, args.parser)
    if args.task is None and args.checkpoint is None:
        args.parser.error("expected --task TASK or --checkpoint PATH")
    if args.task is not None:
        check_task(manifest_root(), args.task)

    from surefoot.engines.base import with_presets
    from surefoot.machine import Machine
    from surefoot.manifest import compose_manifest
    from surefoot.replay import closed_loop, gap_report
    from surefoot.replay.comparison_film import check_film, film
    from surefoot.replay.floor import read_floors, writer_of
    from surefoot.replay.plots import draw
    from surefoot.replay.trace_run import MAX_ENVS, run_replay
    from surefoot.reporting import finite, write_json
    from surefoot.traces import read_card, read_trace

    args.engine, overrides = with_presets(args.engine, overrides)
    trace = read_trace(args.trace)
    card = read_card(args.card) if args.card is not None else None
    how = {"machine": Machine(args.engine, args.device, args.threads), "card": card}
    args.out.mkdir(parents=True, exist_ok=True)
    if args.checkpoint is not None:
        judged = closed_loop.run_closed_loop(trace, checkpoint_file(args.checkpoint), **how)
        print(closed_loop.text(judged))
        write_json(args.out / "closed_loop.json", finite(closed_loop.to_plain(judged)))
        return
    if args.film is not None:
        check_film(args.film)
    manifest = compose_manifest(manifest_root(), str(args.task), overrides)
    how |= {"horizon": args.horizon, "lead": args.lead, "max_envs": args.max_envs or MAX_ENVS, "seed": args.seed}
    result = run_replay(trace, manifest, mode=args.mode, **how)
    writer = writer_of(trace.header)
    floor = read_floors(manifest_root()).score(result.manifest, writer, result.engine, args.mode, args.horizon)
    plain = gap_report.to_plain(result) | {"writer": writer, "floor": floor}
    print(gap_report.text(plain))
    pictures = draw(result, args.out)
    write_json(args.out / f"{args.mode}.json", plain)
    print(f"Report: {args.out / args.mode}.json\nPictures: {', '.join(str(picture) for picture in pictures)}")
    if args.film is not None:
        print(f"Film: {args.film}, {film(result, args.film, card, args.seconds, args.device)} frames")
