"""Environment step against raw MuJoCo C, and against mjlab's own CPU path.

python benchmarks/bench_step.py
python benchmarks/bench_step.py --only raw --num_envs 1024 --rounds 5 simulation.iterations=10
python benchmarks/bench_step.py --num_envs 256 --rounds 2   # short: a minute or two
python benchmarks/bench_step.py --write
"""

import time
from collections.abc import Callable

import torch
from measure import OtherLoad, interleave, machine, parser, publish, ratio, spread, table
from mjlab.envs import ManagerBasedRlEnv
from workloads import Raw, Stepped, build, mjlab_cfg

import surefoot  # noqa: F401  (before torch: sets how idle OpenMP threads wait)
from surefoot.engines.mujoco.batch_sim import BatchSimulation

SETTLE = 100
"""Control steps before the first round against raw MuJoCo C: two seconds."""
RAW = {
    "mjlab's own Go1 flat": ("mjlab", "simulation=full"),
    "this project's on mjlab's model (`simulation=full`)": ("surefoot", "simulation=full"),
    "this project's, lean contacts": ("surefoot", "simulation=lean"),
}
"""Which environment on which physics, by the name in the table; mjlab's has its own."""


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--only", choices=["mjlab", "raw"], help="one of the two tables")
    arguments.add_argument("--num_envs", type=int, nargs="+", default=[256, 1024, 4096])
    arguments.add_argument("overrides", nargs="*", metavar="key=value", help="of this project's task")
    args = arguments.parse_args()
    torch.set_num_threads(1)
    if args.only in (None, "mjlab"):
        publish("bench-mjlab", against_mjlab(args.rounds), args.write)
    if args.only in (None, "raw"):
        load = OtherLoad()
        rows = [against_raw(name, num_envs, args.rounds, args.overrides) for name in RAW for num_envs in args.num_envs]
        header = ["task", "environments", "env.step / raw", "env-steps/s", "raw env-steps/s", "share inside MuJoCo"]
        publish("bench-raw", f"{table(header, rows)}\n\n{machine()}; {args.rounds} rounds; {load.text()}.", args.write)


def against_mjlab(rounds: int) -> str:
    """64 environments on mjlab's Go1 flat model: this engine over mjlab's own CPU path."""
    load = OtherLoad()
    theirs_env = ManagerBasedRlEnv(mjlab_cfg(64), device="cpu")
    theirs_env.reset()
    names = {"mjlab": "mjlab's task, unchanged", "surefoot": "this project's task, `simulation=full`"}
    rates = interleave(
        rounds,
        {
            "mjlab": Stepped(build("mjlab", 64, []), steps=40),
            "reference": Stepped(theirs_env, steps=2),
            "surefoot": Stepped(build("surefoot", 64, ["simulation=full"]), steps=40),
        },
    )
    reference = spread(rates["reference"]).text(0)
    rows = [
        [name, ratio(rates, which, "reference").text(1), spread(rates[which]).text(0), reference]
        for which, name in names.items()
    ]
    header = ["environment", "ratio", "this engine, env-steps/s", "mjlab's task on mjlab's CPU path, env-steps/s"]
    return f"{table(header, rows)}\n\n{machine()}; {rounds} rounds; {load.text()}."


def against_raw(name: str, num_envs: int, rounds: int, overrides: list[str]) -> list[str]:
    """One row: environment step over raw MuJoCo C with the same passes from the same states."""
    which, simulation = RAW[name]
    env = build(which, num_envs, [simulation, *overrides])
    assert isinstance(env.sim, BatchSimulation)
    stepped, raw = Stepped(env, steps=min(20, max(2, 4096 // num_envs)), record=True), Raw(env)
    for _ in range(SETTLE // len(stepped.actions)):
        stepped()  # robots land, some episodes end
    rates: dict[str, list[float]] = {"env": [], "raw": []}
    shares: list[float] = []
    for index in range(rounds):
        if index % 2:  # every other round the raw physics goes first, with the controls of the round before
            rates["raw"].append(rate(raw))
        stepped.prepare()
        before, start = env.sim.physics_seconds, time.perf_counter()
        rates["env"].append(rate(stepped))
        shares.append((env.sim.physics_seconds - before) / (time.perf_counter() - start))
        raw.follow(stepped)
        if not index % 2:
            rates["raw"].append(rate(raw))
            raw.follow(stepped)
    return [
        name,
        f"{num_envs:,}",
        ratio(rates, "env", "raw").text(2),
        spread(rates["env"]).text(0),
        spread(rates["raw"]).text(0),
        spread(shares).text(2),
    ]


def rate(run: Callable[[], float]) -> float:
    """Units per second of one call."""
    start = time.perf_counter()
    return run() / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
