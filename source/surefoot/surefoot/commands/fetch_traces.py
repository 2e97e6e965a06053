"""Download public robot logs from their repositories, at pinned commits, checked by SHA-256.

surefoot fetch-traces
surefoot fetch-traces orl_go2_test_1 --out runs/traces --show-licence
SUREFOOT_TRACES=/data/mirror surefoot fetch-traces

Without network, SUREFOOT_TRACES names a folder with owner/repository/commit/path.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.add_argument("names", nargs="*", help="logs of manifests/traces/sources.yaml; default: all")
    parser.add_argument("--out", type=Path, default=Path("runs/traces"))
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--show-licence", action="store_true", help="print the whole text")


def run(args: argparse.Namespace) -> None:
    """Fetch, say what came and how to import it."""
    from surefoot.traces.fetch import URL, fetch, licence_text, read_sources
    from surefoot_tasks import manifest_root

    sources = read_sources(manifest_root())
    for name in args.names or sources.sources:
        source = sources.get(name)
        log = fetch(source, args.out, args.url or URL)
        licence = args.out / source.folder / source.licence_file
        print(f"{name}: {source.description}")
        print(f"  github.com/{source.owner}/{source.repository} at {source.commit}, {source.licence}: {licence}")
        print(f"  surefoot trace import {log} --profile {source.profile} --out {name}.parquet")
        if args.show_licence:
            print(licence_text(source, args.out))
