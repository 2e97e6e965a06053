"""Host memory per environment: slope of the resident set over the number of environments, each in a process of its own.

python benchmarks/bench_memory.py
python benchmarks/bench_memory.py --write
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from measure import machine, parser, publish, spread, table

COUNTS = (512, 2048, 8192)


def main() -> None:
    """Measure and print, or, as a child, print one number."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--child", nargs=2, metavar=("TASK", "NUM_ENVS"), help=arguments_help())
    arguments.set_defaults(rounds=3)
    args = arguments.parse_args()
    if args.child:
        print(resident_bytes(args.child[0], int(args.child[1])))
        return
    rows = []
    for which, name in (("mjlab", "mjlab's own Go1 flat"), ("surefoot", "this project's, lean contacts")):
        slopes, sizes = [], {}
        for _ in range(args.rounds):
            sizes = {count: in_child(which, count) for count in COUNTS}
            slopes.append(np.polyfit(list(sizes), list(sizes.values()), 1)[0] / 1024)
        rows.append([name, spread(slopes).text(0), *(f"{size / 2**20:,.0f}" for size in sizes.values())])
    header = ["task", "KiB per environment", *(f"MiB at {count:,}" for count in COUNTS)]
    publish("bench-memory", f"{table(header, rows)}\n\n{machine()}; {args.rounds} rounds.", args.write)


def arguments_help() -> str:
    """Why there is a hidden mode."""
    return "build that many environments, step, print the resident set in bytes (used by this script itself)"


def in_child(which: str, num_envs: int) -> int:
    """Resident set of a fresh process with `num_envs` environments, bytes."""
    command = [sys.executable, str(Path(__file__).resolve()), "--child", which, str(num_envs)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(output.strip().splitlines()[-1])


def resident_bytes(which: str, num_envs: int) -> int:
    """Build, take five steps, read /proc."""
    import torch
    from workloads import Stepped, build

    import surefoot  # noqa: F401  (before torch)

    torch.set_num_threads(1)
    stepped = Stepped(build(which, num_envs, []), steps=5)
    stepped()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
