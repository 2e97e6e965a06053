"""Import, describe, draw and check logs of robots.

python scripts/trace.py import LOG --profile go2_bag --out runs/traces/walk.parquet
python scripts/trace.py import bag/ --profile go2_bag --topic lowstate=/lf/lowstate --out walk.parquet
python scripts/trace.py info walk.parquet
python scripts/trace.py plot walk.parquet --out walk.png
python scripts/trace.py check go2_orl_test_1_500hz --data ../shared/traces

`info` also estimates modes, gains and delay; `check` imports the data of a card and compares. docs/traces.md has
profiles, columns and methods.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.traces.cards_and_suites import check_card, find_card
from surefoot.traces.describe import describe
from surefoot.traces.importer import import_trace
from surefoot.traces.joint_orders import read_joint_orders
from surefoot.traces.profile import profile_names, read_profile
from surefoot_tasks import manifest_root


def main() -> None:
    """Parse, call, print."""
    root = manifest_root()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    importing = verbs.add_parser("import", help="log to trace")
    importing.add_argument("log", type=Path, help="table, folder of tables, bag, or archive with one of these")
    importing.add_argument("--profile", required=True, help=f"a YAML file, or one of {', '.join(profile_names(root))}")
    importing.add_argument("--out", type=Path, required=True)
    importing.add_argument("--topic", action="append", default=[], metavar="NAME=TOPIC", help="topic of a bag")
    importing.add_argument("--accept", default="", metavar="KIND,...", help="findings that are no reason to refuse")
    verbs.add_parser("info", help="what a trace holds").add_argument("trace", type=Path)
    plotting = verbs.add_parser("plot", help="picture of a trace")
    plotting.add_argument("trace", type=Path)
    plotting.add_argument("--out", type=Path, required=True)
    checking = verbs.add_parser("check", help="data against its card")
    checking.add_argument("card", help="card, by path or name")
    checking.add_argument("--data", type=Path, required=True, help="folder of the data")
    args = parser.parse_args()

    if args.verb == "import":
        topics = dict(item.split("=", 1) if "=" in item else (item, "") for item in args.topic)
        accept = [kind for kind in args.accept.split(",") if kind]
        profile = read_profile(root, args.profile)
        header = import_trace(args.log, args.out, profile, read_joint_orders(root), topics=topics, accept=accept)
        print(*header.findings, f"{args.out}: {header.num_samples} samples, {header.rate_hz:.4g} Hz", sep="\n")
    elif args.verb == "info":
        print(describe(args.trace))
    elif args.verb == "plot":
        from surefoot.traces.plot import plot_trace

        print(plot_trace(args.trace, args.out))
    else:
        print(check_card(find_card(root, args.card), args.data, root))


if __name__ == "__main__":
    surefoot.cli.run(main)
