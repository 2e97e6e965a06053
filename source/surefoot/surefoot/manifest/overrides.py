"""Overrides from the command line, in Hydra's grammar, applied to a validated manifest."""

import copy
import math
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from surefoot.errors import ManifestError, did_you_mean
from surefoot.manifest.document import keys_at
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.origin import Key, Source
from surefoot.manifest.validate import validate


def parse_overrides(overrides: list[str]) -> list[Override]:
    """Parse `key=value`, `+key=value`, `~key` and `group=option`.

    Raises:
        ManifestError: A text is none of these, or gives several values.
    """
    parsed: list[Override] = []
    parser = OverridesParser.create()
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except HydraException as error:
            raise ManifestError(
                f"command line: {text!r:.200} is not an override; expected key=value, for example ppo.gamma=0.98"
            ) from error
        if override.is_sweep_override():
            raise ManifestError(f"command line: {text!r:.200} gives several values; expected one for a run")
        parsed.append(override)
    return parsed


def override_manifest(manifest: Manifest, overrides: list[str], source: Source | None = None) -> Manifest:
    """Apply overrides of keys to a resolved manifest, for example the one in a run folder.

    Args:
        manifest: Where the other values come from.
        overrides: `key=value`, `+key=value` for a new entry of a mapping, `~key` to drop one.
        source: Files behind `manifest`, to name the place of a bad key.

    Raises:
        ManifestError: A key does not exist, a group is chosen (the files are not consulted here), or the result does
            not fit the schema.
    """
    plain = manifest.to_plain()
    for override in parse_overrides(overrides):
        key = override.key_or_group
        if isinstance(plain.get(key), dict):
            raise ManifestError(f"command line: {key}: expected a key within, as in {key}.KEY=value")
        _apply(override, plain)
    return validate(plain, source or Source("command line"))


def _apply(override: Override, plain: dict[str, Any]) -> None:
    key = override.key_or_group
    *parents, last = key.split(".")
    here: Any = plain
    for depth, part in enumerate(parents):
        here = _child(here, part, tuple(parents[:depth]), override)
    if not override.is_add() or isinstance(here, list):
        _child(here, last, tuple(parents), override)
    if not isinstance(here, (dict, list)):
        raise ManifestError(f"command line: {key}: {'.'.join(parents)} is the value {here!r} and has no keys")
    index: Any = int(last) if isinstance(here, list) else last
    holder = cast("dict[Any, Any]", here)
    if override.is_delete():
        del holder[index]
        return
    value: Any = copy.deepcopy(override.value())
    if isinstance(value, float) and not math.isfinite(value):
        raise ManifestError(f"command line: {key}: expected a finite number, got {value}")
    before = None if isinstance(here, list) else holder.get(index)
    if isinstance(before, dict) and before and not isinstance(value, dict):
        entries = cast("dict[str, Any]", before)
        inside = "weight" if "weight" in entries else next(iter(entries))
        raise ManifestError(
            f"command line: {key}: has the keys {', '.join(entries)}; did you mean {key}.{inside}={value}?"
        )
    if isinstance(value, dict) and isinstance(before, dict):
        value = cast("dict[str, Any]", before | value)
    holder[index] = value


def _child(here: Any, part: str, done: tuple[str, ...], override: Override) -> Any:
    """The entry `part` of a mapping or list; refused with the nearest name where there is none."""
    key, prefix = override.key_or_group, ".".join(done)
    if isinstance(here, list):
        items = cast("list[Any]", here)
        if not part.isdigit() or int(part) >= len(items):
            raise ManifestError(
                f"command line: {key}: {prefix} is a list of {len(items)}; "
                f"expected an index from 0 to {len(items) - 1}, got {part!r}"
            )
        return items[int(part)]
    if not isinstance(here, dict):
        raise ManifestError(f"command line: {key}: {prefix} is the value {here!r} and has no keys")
    entries = cast("dict[str, Any]", here)
    if part not in entries:
        path: Key = tuple(int(name) if name.isdigit() else name for name in done)
        closed = keys_at(Manifest, path)
        entry = f"{prefix}.{part}"
        way_out = "" if closed else f" To add an entry write +{entry}={'...' if entry == key else '{KEY: VALUE, ...}'}"
        raise ManifestError(
            f"command line: {key}: {prefix or 'the manifest'} has no key {part!r}. "
            f"{did_you_mean(part, closed or entries)}{way_out}"
        )
    return entries[part]
