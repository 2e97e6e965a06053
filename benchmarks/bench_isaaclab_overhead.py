"""This project's environment over Isaac Lab's own, for the stock Go1 flat task with the same terms and physics.

python benchmarks/bench_isaaclab_overhead.py --rounds 20     # with the Python of .venv-isaaclab; on Newton and on PhysX
python benchmarks/bench_isaaclab_overhead.py --rounds 20 --physics ovphysx --write

Two processes, because Isaac Lab has one simulation in each; one waits while the other steps. Robot, motors, solver,
start poses, actions and times of the time-outs are the same in both, pushes come as often and change nothing: the
robots go through the same states, and what is left is what this project adds. How far states are apart is reported.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from measure import OtherLoad, interleave, machine, parser, publish, spread, table

STOCK = "IsaacContrib-Velocity-Flat-UnitreeGo1"
OURS = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
BACKENDS = ("newton_mjwarp", "ovphysx")
STEPS = 10
DEVIATION = 0.3
"""Of the actions: in the first iterations of a training it is larger, and robots fall more often."""


def main() -> None:
    """Measure and print, or be one of the two processes."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--num_envs", type=int, default=64)
    arguments.add_argument("--physics", choices=BACKENDS, help="default: each in turn")
    arguments.add_argument("--worker", choices=["stock", "ours"], help=argparse.SUPPRESS)
    args = arguments.parse_args()
    if args.worker is not None:
        sys.argv = sys.argv[:1]
        return work(args.worker, args.num_envs, args.physics)
    if problem := missing():
        print(f"Not measured: {problem}")
        return None
    for physics in [args.physics] if args.physics else BACKENDS:
        load = OtherLoad()
        workers = {name: Worker(name, args.num_envs, physics) for name in ("stock", "ours")}
        interleave(args.rounds, dict(workers.items()))
        for worker in workers.values():
            worker.end()
        where = f"{physics}; {machine()}; {args.num_envs} environments; {args.rounds} rounds of {STEPS} steps; "
        where += load.text() + "."
        text = report(workers["stock"].calls[2:], workers["ours"].calls[2:])  # without the first rounds
        publish(f"bench-isaaclab-overhead-{physics}", f"{text}\n\n{where}", args.write)
    return None


def report(stock: list["Call"], ours: list["Call"]) -> str:
    """Times of both, round by round over the stock one's whole step, and how equal their states were."""
    pairs = list(zip(ours, stock, strict=True))
    measured = {"whole step": "whole", "inside the simulator": "simulator", "outside, CPU time": "outside"}
    rows = [
        [title, *(spread([1e3 * getattr(call, name) / STEPS for call in calls]).text(2) for calls in (stock, ours))]
        for title, name in measured.items()
    ]
    whole = spread([a.whole / b.whole for a, b in pairs])
    inside = spread([a.simulator / b.simulator for a, b in pairs])
    added = spread([100 * (a.outside - b.outside) / b.whole for a, b in pairs])
    apart = max(abs(a.joints - b.joints) for a, b in pairs)
    ended = [sum(call.ended for call in calls) / (STEPS * len(calls)) for calls in (stock, ours)]
    return (
        f"{table(['ms per step', 'stock', 'ours'], rows)}\n\n"
        f"ours over stock: whole {whole.text(3)}, inside the simulator {inside.text(3)}; more outside the simulator, "
        f"percent of the stock one's whole step: {added.text(2)}. Resets in a step: {ended[0]:.2f} and {ended[1]:.2f}. "
        f"Mean |joint position| of all robots after a round differs by {apart:.1e} rad at most."
    )


@dataclass(frozen=True)
class Call:
    """One round of one worker."""

    whole: float
    """s."""
    simulator: float
    """s, inside `SimulationContext.step`."""
    ended: float
    """Environments that were reset."""
    joints: float
    """Mean absolute joint position afterwards, rad."""
    outside: float
    """s of CPU time of the one thread that runs everything but the simulator; other processes do not count."""


class Worker:
    """A process that steps when it is told to."""

    def __init__(self, name: str, num_envs: int, physics: str) -> None:
        command = [sys.executable, __file__, "--worker", name, "--num_envs", str(num_envs), "--physics", physics]
        self.calls: list[Call] = []
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self()

    def __call__(self) -> float:
        """Step; returns how many steps that was."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print("go", file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("done "):
                self.calls.append(Call(*map(float, line.split()[1:])))
                return float(STEPS)
        raise RuntimeError("the process has ended; see its messages above")

    def end(self) -> None:
        """Let it go."""
        self._process.kill()
        self._process.wait()


def work(name: str, num_envs: int, physics: str) -> None:
    """Step whenever a line arrives."""
    import torch

    from surefoot.engines.isaaclab.compat.data import as_tensor

    torch.set_num_threads(1)
    env = (stock_env if name == "stock" else our_env)(num_envs, physics)
    step, simulate, inside, own = env.step, env.sim.step, [0.0], [0.0]

    def timed(*args: Any, **kwargs: Any) -> None:
        start, thread = time.perf_counter(), time.thread_time()
        simulate(*args, **kwargs)
        inside[0] += time.perf_counter() - start
        own[0] -= time.thread_time() - thread

    env.sim.step = timed
    generator = torch.Generator().manual_seed(0)
    ended, joints = 0.0, env.scene["robot"].data
    env.episode_length_buf[:] = torch.arange(num_envs) * env.max_episode_length // num_envs
    for _ in sys.stdin:
        actions = DEVIATION * torch.randn(STEPS, num_envs, 12, generator=generator)
        inside[0], own[0], ended, start = 0.0, -time.thread_time(), 0.0, time.perf_counter()
        for action in actions:
            step(action)
            ended += float(env.reset_buf.sum())
        whole, own[0] = time.perf_counter() - start, own[0] + time.thread_time()
        position = as_tensor(joints.joint_pos).abs().mean().item()
        print("done", whole, inside[0], ended, position, own[0], flush=True)


def missing() -> str:
    """Why this cannot be measured here; empty where it can."""
    from surefoot.engines.isaaclab import compat
    from surefoot.errors import SurefootError

    try:
        version = compat.isaaclab_version()
    except SurefootError as error:
        return str(error)
    return "" if version == "3.0" else f"expected Isaac Lab 3.0, found {version}"


def our_env(num_envs: int, physics: str) -> Any:
    """This project's engine on the terms of the stock task."""
    from surefoot.engines.isaaclab import make_env

    return make_env(same_terms(), device="cpu", num_envs=num_envs, physics=physics)


def stock_env(num_envs: int, physics: str) -> Any:
    """Isaac Lab's own environment and terms; robot, ground, solver and starts as in ours."""
    from surefoot.engines.isaaclab import compat

    compat.launch("3.0", physics, "cpu")
    import isaaclab_tasks  # noqa: F401
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab_tasks.utils.hydra import resolve_presets
    from isaaclab_tasks.utils.parse_cfg import load_cfg_from_registry

    from surefoot.engines.isaaclab.gym_cfg import _build
    from surefoot.engines.isaaclab.stock import without_asset_server

    manifest = same_terms()
    cfg = resolve_presets(load_cfg_from_registry(STOCK, "env_cfg_entry_point"), selected=(physics,))
    without_asset_server(cfg, manifest.robot, manifest.simulation.contact_model)
    cfg.scene.num_envs, cfg.sim.device = num_envs, "cpu"
    ours = _build(manifest, physics, "cpu")
    cfg.sim.physics, robot = ours.sim.physics, ours.scene.robot
    cfg.scene.robot.init_state, cfg.scene.robot.actuators = robot.init_state, robot.actuators
    events = cfg.events
    events.physics_material = events.add_base_mass = events.base_com = None
    still = dict.fromkeys(("x", "y", "z", "roll", "pitch", "yaw"), (0.0, 0.0))
    events.reset_base.params |= {"pose_range": still, "velocity_range": still}
    events.reset_robot_joints.params |= {"position_range": (1.0, 1.0), "velocity_range": (0.0, 0.0)}
    events.push_robot.params["velocity_range"] = {"x": (0.0, 0.0), "y": (0.0, 0.0)}
    env = ManagerBasedRLEnv(cfg)
    env.reset()
    return env


def same_terms() -> Any:
    """A manifest with what the stock task rewards, ends, observes and randomises."""
    from surefoot.manifest import compose_manifest, validate
    from surefoot_tasks import manifest_root

    plain = compose_manifest(manifest_root(), OURS, ["simulation.timestep=0.005", "simulation.decimation=4"]).to_plain()
    task, tracking = plain["task"], {"std": 0.5}
    funcs: dict[str, dict[str, float]] = {"track_lin_vel_xy_exp": tracking, "track_ang_vel_z_exp": tracking}
    funcs |= {
        name: {} for name in ("lin_vel_z_l2", "ang_vel_xy_l2", "joint_torque_l2", "joint_acc_l2", "action_rate_l2")
    }
    funcs |= {"feet_air_time": {"threshold": 0.5}, "upright_l2": {}}
    task["rewards"] = {name: {"func": name, "weight": 0.1, "params": params} for name, params in funcs.items()}
    task["terminations"] = {
        "time_out": {"func": "time_out", "kind": "time_out"},
        "base_contact": {"func": "base_contact", "kind": "failure"},
    }
    noise = {"base_lin_vel": 0.1, "base_ang_vel": 0.2, "projected_gravity": 0.05, "joint_pos_rel": 0.01}
    noise |= {"joint_vel": 1.5}
    names = (*noise, "velocity_command", "last_action")
    task["observations"]["actor"]["terms"] = {name: {"func": name, "noise": noise.get(name, 0.0)} for name in names}
    task["observations"]["actor"]["allow_privileged"] = ["base_lin_vel_b"]
    task["observations"]["critic"]["terms"] = {"base_lin_vel": {"func": "base_lin_vel"}}  # the stock task has one group
    plain["audit"]["reward"]["expected_sign"] = {}
    task["actions"]["scale"] = 0.25
    task["resets"] |= {name: [0.0, 0.0] for name in task["resets"]} | {"randomize_episode_start": False}
    push = {"interval": [10.0, 15.0], "lin_vel_xy": 1e-12, "ang_vel_z": 0.0}  # 0 would leave the pushes out
    plain["randomization"] |= {"factors": {}, "bucket_by": [], "push": push}
    return validate(plain, "the stock task's terms")


if __name__ == "__main__":
    main()
