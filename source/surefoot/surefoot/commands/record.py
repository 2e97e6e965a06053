"""Print what a run has done and how good it is, side by side.

surefoot record latest
surefoot record runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN --json     # the document itself

docs/events.md says what each line means.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run."""
    parser.add_argument("run", type=Path, help="run folder, a checkpoint in it, or `latest`")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> None:
    """Read, print; the run folder is only read."""
    from surefoot.runs.locate import run_folder

    folder = run_folder(args.run)

    from surefoot.jobs.job import to_json
    from surefoot.jobs.lease import trainer_lease
    from surefoot.runs import show_record
    from surefoot.runs.run_record import read_run_record, with_news

    record = with_news(folder, read_run_record(folder))
    if args.json:
        print(to_json(record).decode(), end="")
    else:
        lines, held_out = by_hand(folder)
        alive = trainer_lease(folder).holder() is not None
        print(show_record.text(record, alive=alive, by_hand=lines, held_out_by_hand=held_out))


def by_hand(folder: Path) -> tuple[list[str], bool]:
    """A line for each panel that `surefoot evaluate` put this run through, and whether one was of new conditions."""
    from surefoot.errors import PanelError
    from surefoot.evaluation.compare import read_report
    from surefoot.runs.locate import panel_reports

    lines: list[str] = []
    held_out = False
    for name, path in panel_reports(folder).items():
        try:
            report = read_report(path)
        except PanelError as error:
            lines.append(str(error))
            continue
        group = "held_out" if report["held_out"]["success_rate"]["value"] is not None else "in_distribution"
        success = report[group]["success_rate"]
        shown = "no episode" if success["value"] is None else f"success {success['value']:.0%}"
        if success["value"] is not None:
            shown += f" ({success['low']:.0%} to {success['high']:.0%})"
        held_out |= report["valid"] and group == "held_out"
        shown = shown if report["valid"] else "not valid"
        lines.append(f"{name} at update {report['iteration']}: {group.replace('_', ' ')}, {shown}: {path.name}")
    return lines, held_out
