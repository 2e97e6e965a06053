"""Whether a saved state fits what is to continue from it, found out before anything is changed."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor


def check_state(state: Any, own: Any, where: str) -> None:
    """Refuse a state that is laid out unlike `own`.

    Mappings need the keys of `own`; others are ignored. Tensors need its shape and type. Lists may be of any length,
    but lists of mappings are compared member by member.

    Args:
        state: From a `state_dict` of an earlier process.
        own: From the same `state_dict` now.
        where: What it is a state of, for the message.

    Raises:
        ValueError: Names the first place that differs.
    """
    if isinstance(own, Mapping):
        members = cast("Mapping[str, Any]", own)
        given = cast("Mapping[str, Any]", _expect(state, Mapping, where))
        for key, value in members.items():
            if key not in given:
                raise ValueError(f"{where} lacks {key!r}.")
            check_state(given[key], value, f"{where}.{key}")
    elif isinstance(own, Tensor):
        table = cast("Tensor", _expect(state, Tensor, where))
        if (table.shape, table.dtype) != (own.shape, own.dtype):
            expected, came = (f"{tuple(each.shape)}, {each.dtype}" for each in (own, table))
            raise ValueError(f"{where}: expected {expected}, got {came}. Another window, or other axes?")
    elif isinstance(own, list):
        values, given_values = cast("list[Any]", own), cast("Sequence[Any]", _expect(state, list, where))
        if any(isinstance(value, Mapping) for value in values):
            if len(given_values) != len(values):
                raise ValueError(f"{where}: expected {len(values)} members, got {len(given_values)}.")
            for index, value in enumerate(values):
                check_state(given_values[index], value, f"{where}[{index}]")
    else:
        _expect(state, type(own), where)


def _expect(state: Any, kind: type, where: str) -> Any:
    if not isinstance(state, kind):
        raise ValueError(f"{where}: expected {kind.__name__}, got {type(state).__name__}.")
    return state
