"""What a record says about itself: axes, metrics, manifests. JSON in the Parquet file's metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from surefoot.audit.accounts.metrics import AxisNames, Metric
from surefoot.reading import MAX_DOCUMENT, parse_json

FORMAT = 1


@dataclass(frozen=True)
class RecordHeader:
    """Everything needed to read the columns without the code that wrote them."""

    axes: AxisNames
    """Names along each axis, in the order of the columns' elements."""
    bucket_edges: Mapping[str, tuple[float, ...]]
    """Interval edges of each factor that buckets are made of, in the factor's unit."""
    metrics: Mapping[str, Metric]
    """Definition of every column, by name."""
    manifests: tuple[tuple[int, str], ...]
    """First iteration and SHA-256 of each manifest that the run was started or resumed with."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one iteration's value of a metric."""
        return tuple(len(self.axes[axis]) for axis in self.metrics[name].axes)

    def to_json(self) -> bytes:
        """Compact JSON, keys sorted."""
        plain = {
            "format": FORMAT,
            "axes": {axis: list(names) for axis, names in self.axes.items()},
            "bucket_edges": {factor: list(edges) for factor, edges in self.bucket_edges.items()},
            "metrics": {name: asdict(metric) for name, metric in self.metrics.items()},
            "manifests": [{"from_iteration": first, "sha256": sha256} for first, sha256 in self.manifests],
        }
        return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "RecordHeader":
        """Read what `to_json` wrote.

        Raises:
            ValueError: Not JSON, another format, or a field is missing.
        """
        plain: Any = parse_json(content, MAX_DOCUMENT)
        if not isinstance(plain, dict):
            raise ValueError(f"expected a JSON object, got {type(plain).__name__}")
        if plain.get("format") != FORMAT:
            raise ValueError(f"record format {plain.get('format')!r}, this version reads {FORMAT}")
        try:
            return cls(
                axes={axis: tuple(names) for axis, names in plain["axes"].items()},
                bucket_edges={factor: tuple(edges) for factor, edges in plain["bucket_edges"].items()},
                metrics={
                    name: Metric(
                        metric["name"], metric["version"], metric["unit"], tuple(metric["axes"]), metric["definition"]
                    )
                    for name, metric in plain["metrics"].items()
                },
                manifests=tuple((entry["from_iteration"], entry["sha256"]) for entry in plain["manifests"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"header lacks or misspells {error}") from None

    def continues(self, other: "RecordHeader") -> bool:
        """Whether rows of `other` mean the same as rows of this: same axes, same definitions of shared metrics."""
        shared = self.metrics.keys() & other.metrics.keys()
        return (
            dict(self.axes) == dict(other.axes)
            and dict(self.bucket_edges) == dict(other.bucket_edges)
            and all(
                (self.metrics[name].version, self.metrics[name].axes)
                == (other.metrics[name].version, other.metrics[name].axes)
                for name in shared
            )
        )

    def after(self, other: "RecordHeader") -> "RecordHeader":
        """This header for a file that begins with the rows of `other`."""
        first = self.manifests[0][0]
        earlier = tuple(entry for entry in other.manifests if entry[0] < first)
        changed = not earlier or earlier[-1][1] != self.manifests[0][1]
        return RecordHeader(
            axes=self.axes,
            bucket_edges=self.bucket_edges,
            metrics={**other.metrics, **self.metrics},
            manifests=earlier + (self.manifests if changed else ()),
        )
