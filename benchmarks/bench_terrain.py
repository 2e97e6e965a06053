"""Rough ground against a plane, and the height scan against a step and against ray casting.

python benchmarks/bench_terrain.py
python benchmarks/bench_terrain.py --num_envs 256 --rounds 3
python benchmarks/bench_terrain.py --write
"""

import mujoco
import numpy as np
import torch
from measure import OtherLoad, interleave, machine, parser, publish, ratio, spread, table
from workloads import Stepped

import surefoot  # noqa: F401  (before torch: sets how idle OpenMP threads wait)
from surefoot.engines.mujoco import make_env
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

TASKS = {"flat": "Surefoot-Velocity-Flat-Unitree-Go1-v0", "rough": "Surefoot-Velocity-Rough-Unitree-Go1-v0"}
SETTLE = 50
"""Control steps before the first round."""
RAYS_OF = 32
"""Environments whose rays are cast."""


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--num_envs", type=int, default=1024)
    args = arguments.parse_args()
    torch.set_num_threads(1)
    load = OtherLoad()
    envs = {name: build(task, args.num_envs) for name, task in TASKS.items()}
    stepped = {name: Stepped(env, steps=max(2, 4096 // args.num_envs)) for name, env in envs.items()}
    for run in stepped.values():
        for _ in range(SETTLE // len(run.actions)):
            run()
    rates = interleave(args.rounds, {**stepped, "scan": lambda: scans(envs["rough"])})
    share = spread([step / scan for step, scan in zip(rates["rough"], rates["scan"], strict=True)])
    rows = [
        ["rough step over flat step, rate", ratio(rates, "rough", "flat").text(2), "0.4"],
        ["share of the scan in a rough step", share.text(3), "0.03"],
        ["rays within 1 cm of MuJoCo's ray casting", f"{agreement(envs['rough']):.4f}", "0.99"],
        ["flat, env-steps/s", spread(rates["flat"]).text(0), "-"],
        ["rough, env-steps/s", spread(rates["rough"]).text(0), "-"],
    ]
    text = table(["", "median (quartiles)", "bar"], rows)
    note = f"{machine()}; {args.num_envs} environments, {args.rounds} rounds; {load.text()}."
    publish("bench-terrain", f"{text}\n\n{note}", args.write)


def build(task: str, num_envs: int) -> MujocoEnv:
    """An environment whose robots are spread over all levels."""
    overrides = ["task.terrain.generator.curriculum=null"] if task == TASKS["rough"] else []
    return make_env(compose_manifest(manifest_root(), task, overrides), device="cpu", num_envs=num_envs)


def scans(env: MujocoEnv) -> float:
    """One scan of all environments, as a step has it; in environment steps, so that rates compare."""
    state = env.robot_state
    with torch.inference_mode():
        for _ in range(4):
            state.invalidate()
            state.read("height_scan")
    return 4.0 * env.num_envs


def agreement(env: MujocoEnv) -> float:
    """Share of rays that `mj_ray` puts within 1 cm of the lookup."""
    state, model = env.robot_state, env.sim.mj_model
    state.invalidate()
    data = mujoco.MjData(model)
    data.qpos[2] = 50.0  # out of the rays' way
    mujoco.mj_forward(model, data)
    pattern = state._scan_pattern
    assert pattern is not None
    pos, quat, scan = (state.read(name)[:RAYS_OF].double() for name in ("base_pos_w", "base_quat_w", "height_scan"))
    w, x, y, z = quat.unbind(dim=1)
    yaw = torch.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z)).unsqueeze(1)
    at_x = pos[:, 0:1] + yaw.cos() * pattern.forward - yaw.sin() * pattern.left
    at_y = pos[:, 1:2] + yaw.sin() * pattern.forward + yaw.cos() * pattern.left
    ground = (pos[:, 2:3] - scan).flatten().tolist()
    hit, down, close = np.zeros(1, dtype=np.int32), np.array([0.0, 0.0, -1.0]), 0
    for px, py, height in zip(at_x.flatten().tolist(), at_y.flatten().tolist(), ground, strict=True):
        close += (
            abs(20.0 - mujoco.mj_ray(model, data, np.array([px, py, 20.0]), down, None, 1, -1, hit) - height) < 0.01
        )
    return close / len(ground)


if __name__ == "__main__":
    main()
