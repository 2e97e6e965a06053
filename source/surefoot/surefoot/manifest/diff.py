"""What differs between two manifests."""

from typing import Any, cast

from pydantic import BaseModel

from surefoot.manifest.base import Ordered
from surefoot.manifest.manifest import Manifest

ABSENT = "(absent)"
ORDER = "(order)"


def diff_manifests(old: Manifest, new: Manifest) -> list[tuple[str, Any, Any]]:
    """Leaves that differ, as (dotted key, old value, new value).

    A leaf that one side lacks is `ABSENT`. Where the order of a mapping counts and its common entries stand in another
    order, one row `key.(order)` shows both orders.
    """
    before, after = _flatten(old), _flatten(new)
    rows: list[tuple[str, Any, Any]] = []
    for key in dict.fromkeys([*before, *after]):
        one, two = before.get(key, ABSENT), after.get(key, ABSENT)
        if key.endswith(ORDER):
            first, second = cast("list[str]", before.get(key, [])), cast("list[str]", after.get(key, []))
            one, two = [name for name in first if name in second], [name for name in second if name in first]
        if one != two:
            rows.append((key, one, two))
    return rows


def format_diff(rows: list[tuple[str, Any, Any]]) -> str:
    """The diff as aligned text, one line a key."""
    width = max((len(key) for key, _, _ in rows), default=0)
    return "\n".join(f"  {key:<{width}}  {_show(old)} -> {_show(new)}" for key, old, new in rows)


def _show(value: Any) -> str:
    return ABSENT if value == ABSENT else repr(value)


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves by dotted key; lists of plain values are one leaf."""
    out: dict[str, Any] = {}
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            item = getattr(value, name)
            key = f"{prefix}.{name}" if prefix else name
            out |= _flatten(item, key)
            if any(isinstance(mark, Ordered) for mark in info.metadata):
                out[f"{key}.{ORDER}"] = list(item)
        return out
    if isinstance(value, dict) and value:
        for name, item in cast("dict[str, Any]", value).items():
            out |= _flatten(item, f"{prefix}.{name}")
        return out
    if isinstance(value, tuple):
        items = cast("tuple[Any, ...]", value)
        if items and isinstance(items[0], BaseModel):
            for index, item in enumerate(items):
                out |= _flatten(item, f"{prefix}.{index}")
            return out
        return {prefix: list(items)}
    return {prefix: value}
