"""This project's environment over Isaac Lab's own, for the stock Go1 flat task with the same terms and physics.

python benchmarks/bench_isaaclab_overhead.py --rounds 20     # with the Python of an Isaac Lab 3.0 with Newton
python benchmarks/bench_isaaclab_overhead.py --rounds 20 --write

Two processes, because Isaac Lab has one simulation in each; one waits while the other steps.
"""

import argparse
import subprocess
import sys
import time
from typing import Any

from measure import OtherLoad, interleave, machine, parser, publish, ratio, spread, table

STOCK = "Isaac-Velocity-Flat-Unitree-Go1-v0"
OURS = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
STEPS = 20


def main() -> None:
    """Measure and print, or be one of the two processes."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--num_envs", type=int, default=64)
    arguments.add_argument("--worker", choices=["stock", "ours"], help=argparse.SUPPRESS)
    args = arguments.parse_args()
    if args.worker is not None:
        sys.argv = sys.argv[:1]
        return work(args.worker, args.num_envs)
    if problem := missing():
        print(f"Not measured: {problem}")
        return None
    load = OtherLoad()
    workers = {name: Worker(name, args.num_envs) for name in ("stock", "ours")}
    rates = interleave(args.rounds, dict(workers.items()))
    for worker in workers.values():
        worker.end()
    over = ratio(rates, "stock", "ours")
    rows = [[name, spread(rates[name]).text(0)] for name in workers]
    text = table(["environment", "env-steps/s"], rows)
    pairs = zip(workers["ours"].seconds[2:], workers["stock"].seconds[2:], strict=True)  # without the first rounds
    added = spread([(ours[0] - ours[1] - (stock[0] - stock[1])) / stock[0] for ours, stock in pairs])
    note = (
        f"time of ours over time of the stock one: {over.text(3)}; what ours does more outside the simulator, over the "
        f"stock one's time: {added.text(3)}"
    )
    where = f"{machine()}; {args.num_envs} environments; {args.rounds} rounds; {load.text()}."
    publish("bench-isaaclab-overhead", f"{text}\n\n{note}\n\n{where}", args.write)


class Worker:
    """A process that steps when it is told to."""

    def __init__(self, name: str, num_envs: int) -> None:
        command = [sys.executable, __file__, "--worker", name, "--num_envs", str(num_envs)]
        self.seconds: list[tuple[float, float]] = []
        """Of each call, s: all, and inside the simulator."""
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self()

    def __call__(self) -> float:
        """Step; returns how many environment steps that was."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print("go", file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("done "):
                units, whole, simulator = map(float, line.split()[1:])
                self.seconds.append((whole, simulator))
                return units
        raise RuntimeError("the process has ended; see its messages above")

    def end(self) -> None:
        """Let it go."""
        self._process.kill()
        self._process.wait()


def work(name: str, num_envs: int) -> None:
    """Step whenever a line arrives."""
    import torch

    torch.set_num_threads(1)
    env = stock_env(num_envs) if name == "stock" else our_env(num_envs)
    step, simulate, inside = env.step, env.sim.step, [0.0]

    def timed(*args: Any, **kwargs: Any) -> None:
        start = time.perf_counter()
        simulate(*args, **kwargs)
        inside[0] += time.perf_counter() - start

    env.sim.step = timed
    action = torch.zeros(num_envs, 12)
    for _ in range(10):
        step(action)
    for _ in sys.stdin:
        inside[0], start = 0.0, time.perf_counter()
        for _ in range(STEPS):
            step(action)
        print("done", num_envs * STEPS, time.perf_counter() - start, inside[0], flush=True)


def missing() -> str:
    """Why this cannot be measured here; empty where it can."""
    from surefoot.engines.isaaclab import compat
    from surefoot.errors import SurefootError

    try:
        version = compat.isaaclab_version()
    except SurefootError as error:
        return str(error)
    return "" if version == "3.0" else f"expected Isaac Lab 3.0, found {version}"


def our_env(num_envs: int) -> Any:
    """This project's engine on the terms of the stock task."""
    from surefoot.engines.isaaclab import make_env

    return make_env(same_terms(), device="cpu", num_envs=num_envs)


def stock_env(num_envs: int) -> Any:
    """Isaac Lab's own environment and terms; robot, ground and solver as in ours."""
    import isaaclab_tasks  # noqa: F401
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab_tasks.utils.hydra import resolve_presets
    from isaaclab_tasks.utils.parse_cfg import load_cfg_from_registry

    from surefoot.engines.isaaclab.gym_cfg import _build
    from surefoot.engines.isaaclab.stock import without_asset_server

    manifest = same_terms()
    cfg = resolve_presets(load_cfg_from_registry(STOCK, "env_cfg_entry_point"), selected=("newton_mjwarp",))
    without_asset_server(cfg, manifest.robot, manifest.simulation.contact_model)
    cfg.scene.num_envs, cfg.sim.device = num_envs, "cpu"
    cfg.sim.physics = _build(manifest, "newton_mjwarp", "cpu").sim.physics
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
    plain["randomization"] |= {"push": {"interval": [10.0, 15.0], "lin_vel_xy": 0.5, "ang_vel_z": 0.0}}
    return validate(plain, "the stock task's terms")


if __name__ == "__main__":
    main()
