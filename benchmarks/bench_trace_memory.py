"""Memory that importing a bag takes, and whether it grows with the bag.

python benchmarks/bench_trace_memory.py
python benchmarks/bench_trace_memory.py --gigabytes 10 --folder /var/tmp

Writes bags of LowState, LowCmd and a camera (a third of the bytes) in two sizes, one eight times the other, and imports
each in a process of its own, whose peak is VmHWM. The disk must hold the larger one twice over; bags are removed as
soon as they are read.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import machine, table
from rosbags.rosbag2 import StoragePlugin, Writer

from surefoot.traces.sources.messages import typestore

START, STEP_NS = 1_763_146_355_000_000_000, 2_000_000
KINDS = {"/lowstate": ("unitree_go/msg/LowState", 1180), "/lowcmd": ("unitree_go/msg/LowCmd", 812)}
CAMERA = 50_000
"""Bytes of a picture, one every 50 messages."""

_IMPORT = """
import sys
from pathlib import Path
from surefoot.traces.importer import import_trace
from surefoot.traces.joint_orders import read_joint_orders
from surefoot.traces.profile import read_profile
from surefoot_tasks import manifest_root
root = manifest_root()
accept = ("units", "norm", "drift", "jump", "frozen")
profile, orders = read_profile(root, "go2_bag"), read_joint_orders(root)
import_trace(Path(sys.argv[1]), Path(sys.argv[2]), profile, orders, accept=accept)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def write_bag(path: Path, size: float, storage: StoragePlugin) -> int:
    """A bag of about `size` bytes; returns its number of messages with joints."""
    store, rng = typestore(), np.random.default_rng(0)
    blobs = {topic: [b"\0\1\0\0" + rng.bytes(length - 4) for _ in range(64)] for topic, (_, length) in KINDS.items()}
    picture = rng.bytes(CAMERA)
    each = sum(length for _, length in KINDS.values())
    count = round(size / (each + CAMERA / 50))
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {topic: writer.add_connection(topic, kind, typestore=store) for topic, (kind, _) in KINDS.items()}
        camera = writer.add_connection("/camera", "std_msgs/msg/String", typestore=store)
        for at in range(count):
            stamp = START + at * STEP_NS
            for topic, connection in connections.items():
                writer.write(connection, stamp, blobs[topic][at % 64])
            if at % 50 == 0:
                writer.write(camera, stamp, picture)
    return 2 * count


def measured(folder: Path, size: float, storage: StoragePlugin) -> list[str]:
    """One row: bag, GB, messages, s, peak in MB."""
    bag, out = folder / "bag", folder / "out.parquet"
    messages = write_bag(bag, size, storage)
    real = sum(file.stat().st_size for file in bag.iterdir())
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _IMPORT, bag, out], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    shutil.rmtree(bag)
    out.unlink()
    return [
        storage.name.lower(),
        f"{real / 1e9:.2f}",
        f"{messages:,}",
        f"{seconds:.0f}",
        f"{int(done.stdout) / 1024:.0f}",
    ]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=4.0, help="of the larger bag")
    parser.add_argument("--folder", type=Path, help="for the bags; default: the system's")
    parser.add_argument(
        "--storage", choices=[plugin.name.lower() for plugin in StoragePlugin], action="append", default=[]
    )
    args = parser.parse_args()
    rows: list[list[str]] = []
    for storage in [StoragePlugin[name.upper()] for name in args.storage] or list(StoragePlugin):
        for share in (1 / 8, 1.0):
            with tempfile.TemporaryDirectory(dir=args.folder) as name:
                if shutil.disk_usage(name).free < 2.5e9 * args.gigabytes * share:
                    raise SystemExit(f"error: {name}: too little space for a bag of {args.gigabytes * share:g} GB")
                rows.append(measured(Path(name), args.gigabytes * share * 1e9, storage))
                print(rows[-1], file=sys.stderr)
    print(f"{table(['storage', 'GB', 'messages', 's', 'peak MB'], rows)}\n\n{machine()}")


if __name__ == "__main__":
    main()
