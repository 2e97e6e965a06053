"""What one engine answered, as a JSON header and an NPZ archive of numbers beside it."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from surefoot.array_files import npz_arrays
from surefoot.errors import CrosscheckError
from surefoot.files import write_atomically
from surefoot.reading import MAX_RECORD, Refused, open_regular, parse_json, read_bytes
from surefoot.reporting import write_json

SCHEMA_VERSION = 2

Array = NDArray[Any]


@dataclass(frozen=True)
class Probe:
    """One engine's answers.

    Attributes:
        header: `engine`, `versions`, `manifest_sha256`, `joints`, `feet`, `definition`, and terms that read
            contact (`contact_terms`), foot velocity (`foot_velocity_terms`) or acceleration (`acceleration_terms`).
        arrays: By `part/name`, e.g. `flight/rewards`; no Python objects.
    """

    header: dict[str, Any]
    arrays: dict[str, Array]

    def part(self, name: str) -> dict[str, Array]:
        """Arrays of one part, without its prefix."""
        return {key.removeprefix(f"{name}/"): value for key, value in self.arrays.items() if key.startswith(f"{name}/")}


def write_probe(path: Path, probe: Probe) -> None:
    """Write `path` (JSON) and, before it, the NPZ archive beside it; both whole or absent."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **cast("dict[str, Any]", probe.arrays))
    # First: where a header is, its numbers are too.
    write_atomically(path.with_suffix(".npz"), buffer.getvalue())
    header = {"schema_version": SCHEMA_VERSION, **probe.header}
    write_json(path, header)


def read_probe(path: Path) -> Probe:
    """Read what `write_probe` wrote.

    Raises:
        CrosscheckError: Absent, damaged, of another schema, or with Python objects in it.
    """
    try:
        header = parse_json(read_bytes(path, MAX_RECORD))
        with open_regular(path.with_suffix(".npz")) as archive:
            arrays = npz_arrays(archive)
    except (OSError, Refused) as error:
        raise CrosscheckError(f"{path}: no readable probe ({error}). Run the crosscheck again.") from None
    version = header.get("schema_version") if isinstance(header, dict) else None
    if version != SCHEMA_VERSION:
        raise CrosscheckError(f"{path}: expected schema_version {SCHEMA_VERSION}, got {version!r}. Probe it again.")
    return Probe(cast("dict[str, Any]", header), arrays)
