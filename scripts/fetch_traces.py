"""Download public robot logs from their repositories, at pinned commits, checked by SHA-256.

python scripts/fetch_traces.py
python scripts/fetch_traces.py orl_go2_test_1 --out runs/traces --show-licence
SUREFOOT_TRACES=/data/mirror python scripts/fetch_traces.py

Without network, SUREFOOT_TRACES names a folder with owner/repository/commit/path.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.traces.fetch import URL, fetch, licence_text, read_sources
from surefoot_tasks import manifest_root


def main() -> None:
    """Parse, fetch, say what came and how to import it."""
    sources = read_sources(manifest_root())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"default: all of {', '.join(sources.sources)}")
    parser.add_argument("--out", type=Path, default=Path("runs/traces"))
    parser.add_argument("--url", default=URL, help=argparse.SUPPRESS)
    parser.add_argument("--show-licence", action="store_true", help="print the whole text")
    args = parser.parse_args()

    for name in args.names or sources.sources:
        source = sources.get(name)
        log = fetch(source, args.out, args.url)
        licence = args.out / source.folder / source.licence_file
        print(f"{name}: {source.description}")
        print(f"  github.com/{source.owner}/{source.repository} at {source.commit}, {source.licence}: {licence}")
        print(f"  scripts/trace.py import {log} --profile {source.profile} --out {name}.parquet")
        if args.show_licence:
            print(licence_text(source, args.out))


if __name__ == "__main__":
    surefoot.cli.run(main)
