"""Import, describe, draw and check logs of robots.

surefoot trace import LOG --profile go2_bag --out runs/traces/walk.parquet
surefoot trace import bag/ --profile go2_bag --topic lowstate=/lf/lowstate --out walk.parquet
surefoot trace info walk.parquet
surefoot trace plot walk.parquet --out walk.png
surefoot trace check go2_orl_test_1_500hz --data ../shared/traces

`info` also estimates modes, gains and delay; `check` imports the data of a card and compares. docs/traces.md has
profiles, columns and methods.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    importing = verbs.add_parser("import", help="log to trace")
    importing.add_argument("log", type=Path, help="table, folder of tables, bag, or archive with one of these")
    importing.add_argument("--profile", required=True, help="a YAML file, or the name of one; a wrong name lists them")
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


def run(args: argparse.Namespace) -> None:
    """Call, print."""
    from surefoot.traces.cards_and_suites import check_card, find_card
    from surefoot.traces.describe import describe
    from surefoot.traces.importer import import_trace
    from surefoot.traces.joint_orders import read_joint_orders
    from surefoot.traces.profile import read_profile
    from surefoot_tasks import manifest_root

    root = manifest_root()
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
