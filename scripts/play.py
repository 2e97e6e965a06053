"""Show a trained policy in the browser, or film it.

python scripts/play.py --task Surefoot-Velocity-Flat-Unitree-Go1-v0 --checkpoint runs/TASK/RUN/model_400.pt
python scripts/play.py --checkpoint model_400.pt --commands "0:0.5,0,0; 4:1.0,0,0; 8:0.5,0,0.5"
python scripts/play.py --checkpoint model_400.pt --video walk.mp4 --seconds 12 --frame walk.png
Without --video: a viewer in the browser, with sliders and keys. docs/playing.md says more.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.engines.base import load_engine, with_presets
from surefoot.engines.opengl import choose_opengl
from surefoot.manifest import compose_manifest, override_manifest
from surefoot.mdp.command_schedule import CommandSchedule
from surefoot.play.film import film, film_length
from surefoot.play.video import check_output, frame_size
from surefoot.rl.policy import load_actor, load_policy
from surefoot.runs import checkpoint
from surefoot_tasks import manifest_root

TOUR = "0:0.5,0,0; 3:1.0,0,0; 6:0.5,0,0.5; 9:0,0.3,0"
"""Commands of a video without --commands."""


def main() -> None:
    """Check everything that can be checked, then build one environment and show it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--task", help="task to play on; default: the checkpoint's own manifest")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--num_envs", type=int, default=1)
    parser.add_argument("--commands", metavar="SCHEDULE", help="'0:vx,vy,yaw; 4:...' or a YAML file")
    parser.add_argument("--video", type=Path, metavar="MP4", help="film instead of opening the viewer")
    parser.add_argument("--frame", type=Path, metavar="PNG", help="write the frame in the middle of the film")
    parser.add_argument("--seconds", type=film_length, default=12.0, help="length of the film")
    parser.add_argument("--size", type=frame_size, default=(640, 480), metavar="640x480", help="of the film, px")
    parser.add_argument("--viewer", choices=["viser"], default="viser")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines see the viewer")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_intermixed_args()
    args.engine, args.overrides = with_presets(args.engine, args.overrides)

    loaded = checkpoint.load(args.checkpoint)
    filming = args.video is not None or args.frame is not None
    # An episode must outlast the show: its end would put the robot back to the start.
    length = args.seconds + 1 if filming else 86400.0
    overrides = [f"task.episode_length={length}", *args.overrides, f"training.num_envs={args.num_envs}"]
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
    engine = load_engine(args.engine)
    render = args.size if filming else None
    env = engine.make_env(manifest, device=args.device, render=render, visuals=not filming, evaluation=True)
    policy = load_policy(loaded, manifest, env.device)
    if filming:
        schedule = schedule or CommandSchedule.read(TOUR)
        print(film(env, policy, schedule, args.seconds, args.size, video=args.video, picture=args.frame).summary())
        env.close()
    else:
        engine.open_viewer(env, policy, schedule=schedule, host=args.host, port=args.port)


if __name__ == "__main__":
    surefoot.cli.run(main)
