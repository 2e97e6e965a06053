"""Write a page about a run, or about all runs of a ledger: one HTML file that opens without a network.

surefoot report RUN                       # verdict, quality beside scale, panel, accounts, alerts: RUN/report.html
surefoot report runs/ledger.sqlite        # all runs: sort, filter, two beside each other: ledger.html beside it
surefoot report RUN --out page.html
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surefoot.ledger.store import Ledger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What about, and where to."""
    parser.add_argument("about", help="run folder, a checkpoint in it, `latest`, or a ledger: a file or a URL")
    parser.add_argument("--out", type=Path, help="default: report.html in the run, ledger.html beside the ledger")
    parser.add_argument("--ledger", help="of a run: file or URL; default: $SUREFOOT_LEDGER, else beside the runs")


def run(args: argparse.Namespace) -> None:
    """Ask the ledger, draw, write."""
    from surefoot.ledger.store import Ledger, place

    if "://" in args.about or args.about.endswith((".sqlite", ".db")):
        ledger = Ledger(args.about, create=False)
        default = Path("ledger.html") if "://" in args.about else Path(args.about).with_name("ledger.html")
        page, out = _all(ledger), args.out or default
    else:
        from surefoot.errors import LedgerError
        from surefoot.runs.locate import run_folder

        folder = run_folder(Path(args.about))
        where = place(args.ledger, folder.resolve().parent.parent)
        if where is None:
            raise LedgerError("SUREFOOT_LEDGER is `off`: name one with --ledger.")
        ledger = Ledger(where)
        page, out = _one(ledger, folder), args.out or folder / "report.html"
    ledger.close()

    from surefoot.files import write_atomically

    write_atomically(out, page.encode())
    print(f"Page: {out} ({len(page) / 1e6:.1f} MB)")


def _all(ledger: "Ledger") -> str:
    from surefoot.ledger.champions import history
    from surefoot.ledger.pages import index_page
    from surefoot.ledger.questions import Filters, listing

    return index_page(listing(ledger, Filters(), limit=5000), history(ledger))


def _one(ledger: "Ledger", folder: Path) -> str:
    import tempfile

    from surefoot.audit.plots.page import draw
    from surefoot.audit.record.record import read_alerts
    from surefoot.audit.record.record_file import read_record
    from surefoot.errors import LedgerError, RecordError, SurefootError
    from surefoot.ledger.champions import champion
    from surefoot.ledger.pages import run_page
    from surefoot.ledger.questions import details, find
    from surefoot.manifest import diff_manifests, format_diff, read_manifest

    done = ledger.add([folder])
    if done.left_out:
        raise LedgerError(done.left_out[0])
    row = find(ledger, str(folder))
    manifest = folder / "manifest.yaml"
    difference = ""
    try:
        known = champion(ledger, row["task"])
        if known is not None and Path(known[1]) != folder.resolve():
            rows = diff_manifests(read_manifest(Path(known[1]) / "manifest.yaml"), read_manifest(manifest))
            difference = format_diff(rows) or "no difference"
    except SurefootError as error:
        difference = f"cannot be said: {error}"
    titles = {
        "reward": "Learning curve and what the reward was made of",
        "terminations": "How episodes ended",
        "buckets": "Success by range of friction, payload and ground",
        "faults": "Faults and alerts over time",
    }
    with tempfile.TemporaryDirectory() as temporary:
        try:
            drawn = draw(read_record(folder), read_alerts(folder), Path(temporary))
        except RecordError as error:  # a run without accounts has a page all the same
            print(f"Without pictures of the accounts: {error}")
            drawn = []
        pictures = {titles[path.stem]: path for path in drawn if path.stem in titles}
        text = manifest.read_text(encoding="utf-8")
        return run_page(row, details(ledger, row["id"]), pictures=pictures, manifest=text, difference=difference)
