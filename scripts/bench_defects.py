"""Plant defects into real short trainings and print which of them an alert names, after how many iterations.

python scripts/bench_defects.py                                   # all of them, and clean runs; about half an hour
python scripts/bench_defects.py --only learner reward_sign        # kinds or names
python scripts/bench_defects.py --list
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.defects import bench
from surefoot.defects.registry import G1_FLAT, GO1_FLAT, GO1_ROUGH
from surefoot_tasks import manifest_root


def main() -> None:
    """Parse, run one after the other, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help="names or kinds of defects; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="seeds of each defect (default: 1)")
    parser.add_argument("--num_envs", type=int, default=128, help="environments (default: 128)")
    parser.add_argument("--iterations", type=int, default=60, help="PPO iterations at most (default: 60)")
    parser.add_argument("--clean", type=int, default=0, help="clean runs of each task Go1 flat, Go1 rough, G1 flat")
    parser.add_argument("--out", type=Path, help="write the table here too")
    parser.add_argument("--list", action="store_true", help="list the defects and end")
    args = parser.parse_args()
    defects = bench.chosen(args.only)
    if args.list:
        print("\n".join(f"{one.kind:<12} {one.name:<40} {one.meaning} [{one.source}]" for one in defects))
        return
    size = {"num_envs": args.num_envs, "iterations": args.iterations}
    outcomes: list[bench.Outcome] = []
    for one in defects:
        for seed in args.seeds:
            outcomes.append(bench.run_defect(one, manifest_root(), seed=seed, **size))
            print(f"{outcomes[-1].seconds:5.0f} s  {bench.line(outcomes[-1])}", flush=True)
    for task in (GO1_FLAT, GO1_ROUGH, G1_FLAT):
        for seed in range(1, args.clean + 1):
            outcomes.append(bench.run_clean(task, manifest_root(), seed=seed, **size))
            print(f"{outcomes[-1].seconds:5.0f} s  {bench.line(outcomes[-1])}", flush=True)
    text = bench.table(outcomes)
    print(f"\n{text}")
    if args.out is not None:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    surefoot.cli.run(main)
