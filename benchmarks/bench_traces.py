"""Time to import ten minutes of a 500 Hz log of a Go2 from CSV, Parquet, NPZ and bags.

python benchmarks/bench_traces.py
python benchmarks/bench_traces.py --minutes 1 --rounds 3

The tables have q, dq, tau and q_des of 12 joints; the bags (rosbag2 with sqlite3 and with MCAP) LowState and LowCmd,
complete. Bars: 10 s from CSV or Parquet, 60 s from a bag. CPU seconds are those of all threads of this process: they
say what a quiet machine would take at most. Ratios are of CPU seconds to those of hashing the CSV's bytes once.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from measure import OtherLoad, interleave, machine, parser, publish, spread, table
from rosbags.rosbag2 import StoragePlugin, Writer

from surefoot.traces.importer import import_trace
from surefoot.traces.joint_orders import read_joint_orders
from surefoot.traces.profile import read_profile
from surefoot.traces.sources.messages import typestore
from surefoot_tasks import manifest_root

STEP_NS = 2_000_000
START = 1_763_146_355_000_000_000


def write_tables(folder: Path, count: int) -> None:
    """The same numbers as CSV and as Parquet; as NPZ, in arrays."""
    rng = np.random.default_rng(0)
    joints = read_joint_orders(manifest_root()).get("unitree_sdk_go2").joints
    columns = {"stamp_ns": START + STEP_NS * np.arange(count, dtype=np.int64)}
    for name in ("q", "dq", "tau", "q_des"):
        columns |= {f"{name}_{joint}": rng.normal(size=count).astype(np.float32) for joint in joints}
    whole = pa.table(columns)
    pacsv.write_csv(whole, folder / "log.csv")
    pq.write_table(whole, folder / "log.parquet")
    arrays = {
        name: np.stack([columns[f"{name}_{joint}"] for joint in joints], axis=1) for name in ("q", "dq", "tau", "q_des")
    }
    np.savez_compressed(folder / "log.npz", stamp_ns=columns["stamp_ns"], **arrays)


def write_bag(path: Path, count: int, storage: StoragePlugin) -> None:
    """LowState and LowCmd of random bytes, stamps that rise."""
    store, rng = typestore(), np.random.default_rng(0)
    kinds = {"/lowstate": "unitree_go/msg/LowState", "/lowcmd": "unitree_go/msg/LowCmd"}
    sizes = {"/lowstate": 1180, "/lowcmd": 812}
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {topic: writer.add_connection(topic, kind, typestore=store) for topic, kind in kinds.items()}
        for at in range(count):
            for topic, size in sizes.items():
                writer.write(connections[topic], START + at * STEP_NS, b"\0\1\0\0" + rng.bytes(size - 4))


def main() -> None:
    """Write logs, import them in turn, print the table."""
    options = parser(__doc__ or "")
    options.add_argument("--minutes", type=float, default=10.0)
    args = options.parse_args()
    count = round(args.minutes * 60 * 1e9 / STEP_NS)
    root, load = manifest_root(), OtherLoad()
    orders = read_joint_orders(root)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder, count)
        for storage in StoragePlugin:
            write_bag(folder / storage.name.lower(), count, storage)
        logs = {
            "CSV": ("log.csv", "go2_columns"),
            "Parquet": ("log.parquet", "go2_columns"),
            "NPZ": ("log.npz", "go2_arrays"),
            "rosbag2, sqlite3": ("sqlite3", "go2_bag"),
            "rosbag2, MCAP": ("mcap", "go2_bag"),
        }

        def importing(log: str, profile: str) -> Callable[[], float]:
            chosen, accept = read_profile(root, profile), ("units", "norm", "drift", "jump", "frozen")

            def run() -> float:
                import_trace(folder / log, folder / "out.parquet", chosen, orders, accept=accept)
                return 1.0

            return run

        def hashing() -> float:
            hashlib.sha256((folder / "log.csv").read_bytes())
            return 1.0

        used: dict[str, list[float]] = {}
        variants = {"read and hash the CSV": hashing} | {kind: importing(*log) for kind, log in logs.items()}
        counted = {kind: _counting(run, used.setdefault(kind, [])) for kind, run in variants.items()}
        rates = interleave(args.rounds, counted)
        cpu = {kind: spread(values[1:]) for kind, values in used.items()}
        floor = cpu["read and hash the CSV"].median
        rows = [[kind, _wall(rates[kind]), cpu[kind].text(2), f"{cpu[kind].median / floor:.0f}"] for kind in variants]
    note = f"{count:,} rows, {args.rounds} rounds; {machine()}; {load.text()}."
    publish("traces", f"{table(['log', 's', 'CPU s', 'times hashing'], rows)}\n\n{note}", args.write)


def _wall(rates: list[float]) -> str:
    return spread([1 / rate for rate in rates]).text(2)


def _counting(run: Callable[[], float], used: list[float]) -> Callable[[], float]:
    def counted() -> float:
        start = time.process_time()
        units = run()
        used.append(time.process_time() - start)
        return units

    return counted


if __name__ == "__main__":
    main()
