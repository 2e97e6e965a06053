"""Decide whether a policy takes the champion's place: promote, refuse, or not enough evidence, with the reasons.

surefoot gate RUN                                    # against the champion of its task
surefoot gate RUN RUN_SEED2 RUN_SEED3                # further trainings of the same manifest speak for it
surefoot gate RUN --against OTHER [OTHER_SEED2 ...]  # against another run; the champion stays as it is
surefoot gate --rollback RUN --note "limps on the real robot"

Both policies meet replicates of the panel that nobody has seen: their seed is drawn now. The document of the decision
is written into RUN/gate/ and kept by the ledger. Exit code 0: promoted; 3: refused; 4: not enough evidence.
docs/gate.md defines the rule, the manifest's section `promotion` its numbers.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surefoot.ledger.decision import Decision

CODES = {"promote": 0, "refuse": 3, "not enough evidence": 4}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Runs and how they are measured."""
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="run or checkpoint; the first is promoted")
    parser.add_argument("--against", type=Path, nargs="+", help="default: the champion of the task, by the ledger")
    parser.add_argument("--rollback", type=Path, metavar="RUN", help="make a former champion champion again")
    parser.add_argument("--note", default="", help="a sentence that is kept with the decision")
    parser.add_argument("--stored", action="store_true", help="judge reports that are there, on replicates seen before")
    parser.add_argument("--dry-run", action="store_true", help="print the verdict, keep nothing")
    parser.add_argument("--panel", help="default: the rule's")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--threads", type=int, default=0, help="physics threads on a CPU; 0 means all cores")
    parser.add_argument("--ledger", help="file or URL; default: $SUREFOOT_LEDGER, else ledger.sqlite beside the runs")


def run(args: argparse.Namespace) -> None:
    """Measure, judge, print, keep."""
    import surefoot.cli
    from surefoot.evaluation.gate_run import Asked, ask, roll_back

    if bool(args.runs) == bool(args.rollback):
        args.parser.error("expected RUN, or --rollback RUN")
    if args.rollback:
        decision, path = roll_back(args.rollback, args.note, args.ledger)
        print(f"{decision.task}: {decision.candidate.run} is champion again.\nDocument: {path}")
        return
    from surefoot_tasks import manifest_root

    asked = Asked(
        runs=args.runs,
        against=args.against,
        manifests=manifest_root(),
        panel=args.panel,
        engine=args.engine,
        device=args.device,
        threads=args.threads,
        ledger=args.ledger,
        stored=args.stored,
        keep=not args.dry_run,
        note=args.note,
    )
    decision, path = ask(asked, lambda line: print(line, flush=True))
    print(text(decision))
    if path is not None:
        print(f"Document: {path}")
    if code := CODES[decision.verdict]:
        surefoot.cli.leave(code)


def text(decision: "Decision") -> str:
    """The decision for people."""
    lines = [f"{decision.verdict.upper()}: {decision.candidate.run}, iteration {decision.candidate.iteration}"]
    lines += [f"  {reason}" for reason in decision.reasons]
    if decision.tests:
        lines += ["", *[f"  {test.outcome:<6} {test.sentence}" for test in decision.tests]]
    shown = decision.power.get("shown_in_80_percent")
    if shown is not None:
        lines.append(f"  A true difference of {shown:.1%} would have been shown in 80 % of cases.")
    if decision.decided_before:
        lines.append(
            f"  Panel {decision.panel} was used {decision.decided_before} times before to decide on this task."
        )
    return "\n".join(lines)
