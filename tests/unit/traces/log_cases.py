"""Logs with known content, written the way that other software writes them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from surefoot.traces.importer import import_trace
from surefoot.traces.joint_orders import read_joint_orders
from surefoot.traces.profile import ImportProfile, read_profile
from surefoot.traces.trace import Trace
from surefoot.traces.trace_file import read_trace
from surefoot_tasks import manifest_root
from trace_cases import JOINTS, START

ORDERS = read_joint_orders(manifest_root())
JOINT_SIGNALS = ("q", "dq", "tau", "q_des")


def profile(name: str, **changes: Any) -> ImportProfile:
    """A shipped profile."""
    return read_profile(manifest_root(), name).model_copy(update=changes)


def changed_profile(folder: Path, name: str, change: Callable[[dict[str, Any]], object]) -> ImportProfile:
    """A shipped profile with its YAML edited."""
    plain = yaml.safe_load((manifest_root() / "traces" / "formats" / f"{name}.yaml").read_text())
    change(plain)
    path = folder / "edited.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False))
    return read_profile(manifest_root(), str(path))


def imported(log: Path, by: ImportProfile | str, **options: Any) -> Trace:
    """Import beside the log and read back."""
    out = log.parent / f"{log.name}.trace.parquet"
    import_trace(log, out, profile(by) if isinstance(by, str) else by, ORDERS, **options)
    return read_trace(out)


def joint_values(samples: int, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Signals of 12 joints that differ everywhere, single precision. Shape (samples, 12), Unitree's order."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-1, 1, (samples, 12)).astype(np.float32).astype(np.float64) for name in JOINT_SIGNALS}


def stamps(samples: int, step_ns: int = 2_000_000) -> NDArray[np.int64]:
    """ns since 1970."""
    return START + step_ns * np.arange(samples, dtype=np.int64)


def write_table(
    path: Path,
    stamp: NDArray[np.int64],
    values: Mapping[str, NDArray[np.float64]],
    joints: Sequence[str] = JOINTS,
    missing: str = "",
) -> Path:
    """A CSV with a column for each joint, in the order given."""
    moved = [JOINTS.index(joint) for joint in joints]
    columns = [f"{name}_{joint}" for name in values for joint in joints]
    table = np.concatenate([part[:, moved] for part in values.values()], axis=1)
    lines = [",".join(["stamp_ns", *columns])]
    for at, row in zip(stamp, table, strict=True):
        lines.append(",".join([str(at), *(missing if np.isnan(cell) else repr(float(cell)) for cell in row)]))
    path.write_text("\n".join(lines) + "\n")
    return path
