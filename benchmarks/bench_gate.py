"""How often the gate promotes wrongly, and how often it finds a policy that is better: by simulation.

python benchmarks/bench_gate.py --report PANEL.json [--cases 1000]

Each case draws the episodes of two policies from the success rates of a real report, cell by cell: most cells are won
always, some never, a few in between. 3 % of the episodes are faults without a number. `together` is the chance that the
two policies of a pair meet the same luck. `differ` is how trainings of one recipe differ: the standard deviation of a
cell's log-odds between seeds, half of it common to all cells.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "unit" / "evaluation"))

from gate_cases import record, report  # pyright: ignore[reportMissingImports]
from surefoot.evaluation.gate import judge
from surefoot.manifest.promotion import Promotion

FAULTS = 0.03


def main() -> None:
    """Simulate and print one row a setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, help="of `surefoot evaluate --panel`, whose success rates are taken")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--only", help="settings of one change, for example: equal")
    args = parser.parse_args()
    if args.report is None:  # `make bench` has none
        print("bench_gate: left out, it needs the report of a panel: --report RUN/panel_locomotion_v1_720.json")
        return
    plain = json.loads(args.report.read_text())
    names = [cell["name"] for cell in plain["cells"]]
    controls = tuple(cell["name"] for cell in plain["cells"] if cell["group"] == "in_distribution")
    rates = np.array(
        [np.mean([v for v in cell["samples"]["success_rate"] if v is not None]) for cell in plain["cells"]]
    )
    rates = np.clip(rates, 0.003, 0.997)  # of 8 episodes nobody knows a 0
    held_out = np.array([name not in controls for name in names])
    replicates = plain["replicates"]
    print(f"{held_out.sum()} cells held out, {len(controls)} controls, {replicates} replicates, {args.cases} cases")
    print("seeds  together  differ  change             better  promoted  refused  stated power   s a case")
    draw = np.random.default_rng(0)

    def shifted(by: float, mixed: bool) -> np.ndarray:
        """Rates whose mean over held-out cells is higher by `by`; mixed: up in some cells, down in others."""
        odds = np.log(rates / (1 - rates))
        if mixed:
            sign = np.where(np.arange(len(odds)) % 2 == 0, 1.0, -1.0)
            target = rates[held_out].mean()
            low, high = -20.0, 20.0
            for _ in range(60):  # what the others lose is made up for on average
                middle = (low + high) / 2
                moved = 1 / (1 + np.exp(-(odds + np.where(sign > 0, 2.0, middle))))
                low, high = (middle, high) if moved[held_out].mean() < target else (low, middle)
            return moved
        low, high = -20.0, 20.0
        for _ in range(60):
            middle = (low + high) / 2
            moved = 1 / (1 + np.exp(-(odds + middle)))
            low, high = (middle, high) if (moved - rates)[held_out].mean() < by else (low, middle)
        return moved

    def episodes(chances: np.ndarray, luck: np.ndarray) -> dict[str, list[float | None]]:
        won = luck < chances[:, None]
        fault = draw.random(won.shape) < FAULTS
        return {
            name: [None if broken else float(w) for w, broken in zip(row, broke, strict=True)]
            for name, row, broke in zip(names, won, fault, strict=True)
        }

    def side(chances: np.ndarray, seeds: int, differ: float, together: float, shared: np.ndarray) -> list[dict]:
        found = []
        for _ in range(seeds):
            noise = differ * (draw.normal() + draw.normal(size=len(chances))) / np.sqrt(2)
            own = 1 / (1 + np.exp(-(np.log(chances / (1 - chances)) + noise)))
            luck = np.where(draw.random(shared.shape) < together, shared, draw.random(shared.shape))
            found.append(report(episodes(own, luck), controls=controls))
        return found

    settings: Sequence[tuple[int, float, float, str, float]] = (
        (1, 0.0, 0.0, "equal", 0.0), (1, 0.7, 0.0, "equal", 0.0), (1, 0.3, 0.0, "equal on average", 0.0),
        (1, 0.3, 0.0, "better", 0.02), (1, 0.3, 0.0, "better", 0.05), (1, 0.3, 0.0, "better", 0.1),
        (2, 0.3, 0.5, "equal", 0.0), (3, 0.3, 0.0, "equal", 0.0), (3, 0.3, 0.5, "equal", 0.0),
        (5, 0.3, 1.0, "equal", 0.0), (3, 0.3, 0.5, "better", 0.05), (3, 0.3, 0.5, "better", 0.1),
        (5, 0.3, 0.5, "better", 0.05),
    )  # fmt: skip
    for seeds, together, differ, change, by in settings:
        if args.only not in (None, change):
            continue
        better = shifted(by, change == "equal on average")
        met = promoted = refused = 0
        stated = []
        begun = time.perf_counter()
        for _ in range(args.cases):
            shared = draw.random((len(names), replicates))
            ours, theirs = (side(c, seeds, differ, together, shared) for c in (better, np.clip(rates, 0.003, 0.997)))
            found = judge(Promotion(seeds=seeds), ours, theirs, [record()] * seeds)
            met += found.tests[0].outcome == "met"
            promoted += found.verdict == "promote"
            refused += found.verdict == "refuse"
            stated.append(found.power.get(f"{by:g}", np.nan) if by else np.nan)
        took = (time.perf_counter() - begun) / args.cases
        power = f"{np.mean(stated):.1%}" if by else "-"
        print(
            f"{seeds:<6} {together:<9} {differ:<7} {change:<17} {by:<4}"
            f"{met / args.cases:>8.1%} {promoted / args.cases:>9.1%} {refused / args.cases:>8.1%}"
            f" {power:>13} {took:>10.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
