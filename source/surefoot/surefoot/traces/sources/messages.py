"""Serialised ROS 2 messages to arrays: many at once where a type has one size, one by one otherwise."""

# pyright: basic
# rosbags' type descriptions are nested tuples.

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from surefoot.errors import TraceError, did_you_mean
from surefoot.traces.joint_orders import positions
from surefoot.traces.sources.batches import Request
from surefoot.traces.sources.message_types import DEFINITIONS

_PRIMITIVES = {
    "bool": "?", "octet": "u1", "byte": "u1", "char": "u1", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8", "float32": "f4", "float64": "f8",
}  # fmt: skip
_ENCAPSULATION = 4
"""Bytes before the content: byte 1 says the endianness."""
_PADDING = 8
"""Fewer bytes may follow the content: writers fill up to 4 or 8."""


def typestore() -> Typestore:
    """Types of ROS 2 Humble and of `message_types`."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    types: dict[str, Any] = {}
    for name, text in DEFINITIONS.items():
        types |= get_types_from_msg(text, name)
    store.register(types)
    return store


class Decoder:
    """Reads chosen fields of one message type.

    Args:
        store: Knows the type.
        kind: Message type, `package/msg/Name`.
        requests: Fields; a path through an array of messages (`motor_state.q`) gives one element for each.

    Raises:
        TraceError: No such type or field; with the nearest.
    """

    def __init__(self, store: Typestore, kind: str, requests: Sequence[Request]) -> None:
        if kind not in store.fielddefs:
            raise TraceError(
                f"message type {kind!r} is unknown and the bag does not define it. "
                f"{did_you_mean(kind, store.fielddefs)}"
            )
        self._store, self._kind, self._requests = store, kind, requests
        for request in requests:
            for path in (request.field, request.names):
                if path is not None:
                    _check_path(store, kind, path)
        self._little = _layout(store, kind, "<")
        self._big = _layout(store, kind, ">")
        self.size = self._little.itemsize if self._little is not None else None

    def decode(self, blobs: Sequence[bytes], row: int, where: str) -> dict[str, NDArray[np.float64]]:
        """Chosen fields of consecutive messages.

        Raises:
            TraceError: A message is shorter than its type, or an array changes its length; with the row.
        """
        if self._little is not None:
            whole = self._as_records(blobs, row, where)
            return {request.field: _dig(whole, request.field.split(".")) for request in self._requests}
        messages = []
        for at, blob in enumerate(blobs):
            try:
                messages.append(self._store.deserialize_cdr(blob, self._kind))
            except Exception as error:  # rosbags raises whatever the bytes lead it to
                raise TraceError(f"{where}, message {row + at + 1}: not a {self._kind} ({error}).") from None
        return {request.field: self._one(messages, request, row, where) for request in self._requests}

    def _as_records(self, blobs: Sequence[bytes], row: int, where: str) -> NDArray[Any]:
        size, start = self.size or 0, _ENCAPSULATION
        short = next((at for at, blob in enumerate(blobs) if len(blob) < start + size), None)
        if short is not None:
            raise TraceError(
                f"{where}, message {row + short + 1}: {len(blobs[short])} bytes, a {self._kind} has {start + size}; "
                "truncated, or of another version of the type."
            )
        long = next((at for at, blob in enumerate(blobs) if len(blob) >= start + size + _PADDING), None)
        if long is not None:
            raise TraceError(
                f"{where}, message {row + long + 1}: {len(blobs[long])} bytes, a {self._kind} has {start + size}; of "
                "another version of the type."
            )
        kinds = {blob[1] for blob in blobs}
        # Byte 0 is 0 in plain CDR; parameter lists and XCDR2 have other layouts.
        if any(blob[0] for blob in blobs) or not kinds <= {0, 1}:
            raise TraceError(f"{where}, from message {row + 1}: not in plain CDR, of which ROS 2's messages are.")
        if len(kinds) > 1:
            raise TraceError(f"{where}, from message {row + 1}: byte order changes within the topic.")
        joined = b"".join(blob[start : start + size] for blob in blobs)
        return np.frombuffer(joined, self._little if kinds == {1} else self._big)

    def _one(self, messages: Sequence[Any], request: Request, row: int, where: str) -> NDArray[np.float64]:
        path = request.field.split(".")
        try:
            values = np.array([_get(message, path) for message in messages], dtype=np.float64)
        except (ValueError, TypeError):
            lengths = [np.size(_get(message, path)) for message in messages]
            at = int(np.argmax(np.array(lengths) != lengths[0]))
            raise TraceError(
                f"{where}, message {row + at + 1}: {request.field} has {lengths[at]} elements, before {lengths[0]}."
            ) from None
        if request.names is None:
            return values
        return self._by_name(messages, request, values, row, where)

    def _by_name(
        self, messages: Sequence[Any], request: Request, values: NDArray[np.float64], row: int, where: str
    ) -> NDArray[np.float64]:
        assert request.names is not None
        known: dict[tuple[str, ...], list[int]] = {}
        out = np.empty((len(messages), len(request.wanted)))
        for at, message in enumerate(messages):
            names = tuple(_get(message, request.names.split(".")))
            if names not in known:
                # Once for each order of names, which drivers seldom change.
                known[names] = positions(names, request.wanted, f"{where}, message {row + at + 1}")
            if len(values[at]) != len(names):
                raise TraceError(
                    f"{where}, message {row + at + 1}: {len(names)} names, but {request.field} has {len(values[at])} "
                    "elements."
                )
            out[at] = values[at][known[names]]
        return out


def header_stamp(messages: NDArray[np.float64]) -> NDArray[np.int64]:
    """ns, from the columns (sec, nanosec)."""
    return messages[:, 0].astype(np.int64) * 1_000_000_000 + messages[:, 1].astype(np.int64)


def _layout(store: Typestore, kind: str, order: str) -> np.dtype[Any] | None:
    """The type's layout in CDR (each primitive aligned to its own size, from the first byte on), if it has one size."""
    described = _describe(store, kind, order, 0)
    return described[0] if described is not None else None


def _describe(store: Typestore, kind: str, order: str, start: int) -> tuple[np.dtype[Any], int] | None:
    """Layout of a message that begins at offset `start`, and where it ends."""
    names: list[str] = []
    formats: list[Any] = []
    offsets: list[int] = []
    at = start
    for name, (node, detail) in store.fielddefs[kind][1]:
        placed = _place(store, node, detail, order, at)
        if placed is None:
            return None
        dtype, begin, at = placed
        names, formats, offsets = [*names, name], [*formats, dtype], [*offsets, begin - start]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": at - start}), at


def _place(store: Typestore, node: Any, detail: Any, order: str, at: int) -> tuple[np.dtype[Any], int, int] | None:
    """Layout, first and last offset of one field."""
    if node == Nodetype.BASE:
        name = detail[0]
        if name not in _PRIMITIVES:
            return None
        dtype = np.dtype(order + _PRIMITIVES[name])
        # Up to the next multiple of its own size.
        begin = -(-at // dtype.itemsize) * dtype.itemsize
        return dtype, begin, begin + dtype.itemsize
    if node == Nodetype.NAME:
        described = _describe(store, detail, order, at)
        return None if described is None else (described[0], at, described[1])
    if node != Nodetype.ARRAY:
        return None
    (inner, inner_detail), count = detail
    return _place_array(store, inner, inner_detail, count, order, at)


def _place_array(
    store: Typestore, node: Any, detail: Any, count: int, order: str, at: int
) -> tuple[np.dtype[Any], int, int] | None:
    """Elements may be padded differently, depending on where they begin; then each is a field of its own."""
    first = _place(store, node, detail, order, at)
    if first is None:
        return None
    if node == Nodetype.BASE:
        return np.dtype((first[0], (count,))), first[1], first[1] + count * first[0].itemsize
    parts, end = [], at
    for _ in range(count):
        placed = _place(store, node, detail, order, end)
        assert placed is not None
        parts.append((placed[0], placed[1] - at))
        end = placed[2]
    records = np.dtype(
        {
            "names": [str(index) for index in range(count)], "formats": [part for part, _ in parts],
            "offsets": [offset for _, offset in parts], "itemsize": end - at,
        }
    )  # fmt: skip
    return records, at, end


def _dig(records: NDArray[Any], path: Sequence[str]) -> NDArray[np.float64]:
    """A field of every record; arrays of messages become a further axis."""
    names = records.dtype.names
    # Elements of an array of messages, as `_place_array` names them.
    if names is not None and names[0] == "0":
        columns = [_dig(records[name], path) for name in names]
        return np.stack(columns, axis=1)
    if not path:
        return records.astype(np.float64)
    return _dig(records[path[0]], path[1:])


def _get(message: Any, path: Sequence[str]) -> Any:
    for index, part in enumerate(path):
        if isinstance(message, (list, np.ndarray)):
            return [_get(item, path[index:]) for item in message]
        message = getattr(message, part)
    return message


def _check_path(store: Typestore, kind: str, path: str) -> None:
    here: Any = kind
    for part in path.split("."):
        fields = dict(store.fielddefs[here][1]) if here is not None else {}
        if part not in fields:
            raise TraceError(f"{kind} has no field {path!r}. {did_you_mean(part, list(fields))}")
        node, detail = fields[part]
        if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            node, detail = detail[0]
        here = detail if node == Nodetype.NAME else None
