"""What DC motors cost: environment steps with them over steps with implicit ones, on MuJoCo C.

python benchmarks/bench_motors.py
python benchmarks/bench_motors.py --num_envs 1024 --rounds 9 --write

Three ways to have a motor: MuJoCo's position actuators (`implicit_pd`), DC motors out of MuJoCo's own actuators
(`dc_motor`), and mjlab's `DcMotorActuator`, which computes torques in torch before each physics step, so that no call
can run several steps. Go1, lean contacts, random actions.
"""

import torch
from measure import OtherLoad, interleave, machine, parser, publish, ratio, spread, table
from mjlab.actuator import DcMotorActuatorCfg
from workloads import TASK, Stepped

from surefoot.engines.mujoco import binder, make_env
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.manifest import Manifest, compose_manifest
from surefoot_tasks import manifest_root

SETTLE = 100
"""Control steps before the first round."""


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--num_envs", type=int, default=512)
    args = arguments.parse_args()
    torch.set_num_threads(1)
    load = OtherLoad()
    envs = {name: build(args.num_envs, name) for name in ("implicit_pd", "dc_motor")} | {
        "torch": in_torch(args.num_envs)
    }
    stepped = {name: Stepped(env, steps=max(2, 8192 // args.num_envs)) for name, env in envs.items()}
    for run in stepped.values():
        for _ in range(SETTLE // len(run.actions)):
            run()
    rates = interleave(args.rounds, {**stepped})
    rows = [
        ["time of a step, dc_motor over implicit_pd", ratio(rates, "implicit_pd", "dc_motor").text(3)],
        ["time of a step, mjlab's DcMotorActuator over implicit_pd", ratio(rates, "implicit_pd", "torch").text(3)],
        ["env-steps/s, implicit_pd", spread(rates["implicit_pd"]).text(0)],
    ]
    note = f"{machine()}; {args.num_envs} environments, {args.rounds} rounds; {load.text()}."
    publish("bench-motors", f"{table(['', 'median (quartiles)'], rows)}\n\n{note}", args.write)


def build(num_envs: int, motors: str) -> MujocoEnv:
    """An environment with one kind of motors."""
    manifest = compose_manifest(manifest_root(), TASK, [f"robot.motors={motors}"])
    return make_env(manifest, device="cpu", num_envs=num_envs)


def in_torch(num_envs: int) -> MujocoEnv:
    """An environment with mjlab's own DC motors in place of MuJoCo's position actuators."""
    ours = binder._actuators
    binder._actuators = mjlab_motors
    try:
        env = build(num_envs, "implicit_pd")
    finally:
        binder._actuators = ours
    env._fused = False
    return env


def mjlab_motors(manifest: Manifest) -> tuple[DcMotorActuatorCfg, ...]:
    """One for each joint."""
    return tuple(
        DcMotorActuatorCfg(
            target_names_expr=(joint.name,),
            stiffness=joint.stiffness,
            damping=joint.damping,
            effort_limit=joint.effort_limit,
            saturation_effort=joint.stall_torque,
            velocity_limit=joint.velocity_limit,
            armature=joint.armature,
            frictionloss=joint.friction,
            viscous_damping=0.0,
        )
        for joint in manifest.robot.joints
    )


if __name__ == "__main__":
    main()
