"""Show a trained policy in the browser, or film it.

surefoot play latest
surefoot play --checkpoint runs/TASK/RUN/model_400.pt --commands "0:0.5,0,0; 4:1.0,0,0; 8:0.5,0,0.5"
surefoot play latest --video walk.mp4 --seconds 12 --frame walk.png
Without --video: a viewer in the browser, with sliders and keys. docs/playing.md says more.
"""

import argparse
from pathlib import Path

TOUR = "0:0.5,0,0; 3:1.0,0,0; 6:0.5,0,0.5; 9:0,0.3,0"
"""Commands of a video without --commands."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options and overrides."""
    parser.add_argument("--checkpoint", type=Path, help="a file, a run folder (its newest checkpoint), or `latest`")
    parser.add_argument("--task", help="task to play on; default: the checkpoint's own manifest")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--num-envs", type=int, default=1)
    parser.add_argument("--commands", metavar="SCHEDULE", help="'0:vx,vy,yaw; 4:...' or a YAML file")
    parser.add_argument("--video", type=Path, metavar="MP4", help="film instead of opening the viewer")
    parser.add_argument(
        "--frame", type=Path, metavar="PNG", help="write the frame in which the command is followed best"
    )
    parser.add_argument("--seconds", type=_film_length, default=12.0, help="length of the film")
    parser.add_argument("--size", type=_frame_size, default=(640, 480), metavar="640x480", help="of the film, px")
    parser.add_argument("--viewer", choices=["viser"], default="viser")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines see the viewer")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("overrides", nargs="*", metavar="RUN key=value")


def _film_length(text: str) -> float:
    from surefoot.play.film import film_length

    return film_length(text)


def _frame_size(text: str) -> tuple[int, int]:
    from surefoot.play.video import frame_size

    return frame_size(text)


def run(args: argparse.Namespace) -> None:
    """Check everything that can be checked, then build one environment and show it."""
    from surefoot.commands.words import one_run, overrides_in

    named, words = one_run(args.checkpoint, args.overrides, "policy to play")
    words = overrides_in(words, args.parser)

    from surefoot.engines.base import load_engine, with_presets
    from surefoot.engines.opengl import choose_opengl
    from surefoot.manifest import compose_manifest, override_manifest
    from surefoot.mdp.command_schedule import CommandSchedule
    from surefoot.play.film import film
    from surefoot.play.video import check_output
    from surefoot.rl.policy import load_actor, load_policy
    from surefoot.runs import checkpoint
    from surefoot.runs.locate import checkpoint_file
    from surefoot_tasks import manifest_root

    engine_name, words = with_presets(args.engine, words)
    loaded = checkpoint.load(checkpoint_file(named))
    filming = args.video is not None or args.frame is not None
    # An episode must outlast the show: its end would put the robot back to the start.
    length = args.seconds + 1 if filming else 86400.0
    overrides = [f"task.episode_length={length}", *words, f"training.num_envs={args.num_envs}"]
    if args.task is None:
        own, caveats = checkpoint.without_extension(loaded.manifest)
        print(*caveats, sep="\n", end="\n" if caveats else "")
        manifest = override_manifest(own, overrides)
    else:
        manifest = compose_manifest(manifest_root(), args.task, overrides)
    checkpoint.check_fits(loaded, manifest)
    load_actor(loaded, manifest)  # refuses weights that do not fit before the environment is built
    schedule = CommandSchedule.read(args.commands) if args.commands else None
    for line in schedule.outside(manifest.task.commands) if schedule else []:
        print(f"note: {line}, the range of training")

    for path, ending in ((args.video, ".mp4"), (args.frame, ".png")):
        if path is not None:
            check_output(path, ending)
    if filming:
        choose_opengl()
    engine = load_engine(engine_name)
    render = args.size if filming else None
    env = engine.make_env(manifest, device=args.device, render=render, visuals=not filming, evaluation=True)
    policy = load_policy(loaded, manifest, env.device)
    if filming:
        schedule = schedule or CommandSchedule.read(TOUR)
        print(film(env, policy, schedule, args.seconds, args.size, video=args.video, picture=args.frame).summary())
        env.close()
    else:
        engine.open_viewer(env, policy, schedule=schedule, host=args.host, port=args.port)
