"""Compare two policies that were measured under one panel, paired by cell and start.

surefoot compare runs/TASK/RUN_A runs/TASK/RUN_B                  # the newest panel that both were measured under
surefoot compare runs/TASK/RUN_A latest --panel locomotion_v1
surefoot compare RUN_A/panel_locomotion_v1_720.json RUN_B/panel_locomotion_v1_720.json

Refused where panel, metric versions, robot, physics or terminations differ. docs/metrics.md defines the numbers.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two reports."""
    parser.add_argument("a", type=Path, help="run, or JSON report of `surefoot evaluate --panel`")
    parser.add_argument("b", type=Path, help="another one")
    parser.add_argument("--panel", help="of runs: which panel; default: the newest that both have a report of")


def run(args: argparse.Namespace) -> None:
    """Compare and print."""
    first, second = reports(args.a, args.b, args.panel)

    from surefoot.evaluation.compare import compare, comparison_text, read_report

    a, b = read_report(first), read_report(second)
    print(comparison_text(a, b, compare(a, b)))


def reports(a: Path, b: Path, panel: str | None) -> tuple[Path, Path]:
    """The two files: those that are named, or the newest of each run under a panel that both have.

    Raises:
        PanelError: A run has no report, or the two have none of one panel.
    """
    from surefoot.errors import PanelError
    from surefoot.runs.locate import panel_reports

    found = [{"": one} if one.suffix == ".json" else panel_reports(one) for one in (a, b)]
    for named, those in zip((a, b), found, strict=True):
        if not those:
            raise PanelError(f"{named}: no report of a panel in this run: surefoot evaluate {named} --panel NAME")
    common = [name for name in found[0] if name in found[1] or not name or "" in found[1]]
    if "" in found[0]:
        common = list(found[1])
    chosen = panel or (common[0] if common else None)
    missing = [str(one) for one, those in zip((a, b), found, strict=True) if not {chosen, ""} & those.keys()]
    if missing or chosen is None:
        have = "; ".join(
            f"{one}: {', '.join(those)}" for one, those in zip((a, b), found, strict=True) if "" not in those
        )
        wanted = f"of panel {panel!r}" if panel else "of one panel in both"
        raise PanelError(f"Expected a report {wanted}; there are {have}.")
    first, second = (those.get(chosen, those.get("")) for those in found)
    assert first is not None and second is not None
    return first, second
