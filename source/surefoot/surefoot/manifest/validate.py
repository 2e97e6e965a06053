"""From plain data to a `Manifest`, or an error that names file, key, expectation and nearest name."""

from typing import Any, cast

from surefoot.errors import ManifestError
from surefoot.manifest.document import check, split_key
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.origin import Source


def validate(plain: dict[str, Any], source: Source | str = "manifest") -> Manifest:
    """Check plain data against the schema and the term functions.

    Args:
        plain: Nested dicts, lists and numbers.
        source: Where the data came from, to name the file a bad key stands in.

    Raises:
        ManifestError: With one line for each problem.
    """
    from surefoot.mdp.term_check import term_problems  # terms need the schema's classes

    source = Source(source) if isinstance(source, str) else source
    manifest = check(_with_mappings(plain, source), Manifest, source.of)
    problems = term_problems(manifest)
    if problems:
        lines = [f"{source.of(split_key(problem.key))}: {problem}" for problem in problems]
        raise ManifestError("\n".join(lines), key="")
    return manifest


def _with_mappings(value: Any, source: Source, key: str = "") -> Any:
    """Turn the lists of [name, entry] pairs, which canonical JSON holds for ordered mappings, into mappings."""
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value).items()
        return {name: _with_mappings(item, source, f"{key}.{name}".lstrip(".")) for name, item in entries}
    if not isinstance(value, list):
        return value
    items = cast("list[Any]", value)
    if not items or not all(map(_is_pair, items)):
        return [_with_mappings(item, source, f"{key}.{index}") for index, item in enumerate(items)]
    out = {pair[0]: _with_mappings(pair[1], source, f"{key}.{pair[0]}") for pair in items}
    if len(out) < len(items):
        raise ManifestError(f"{source.of(split_key(key))}: {key}: expected every name once")
    return out


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    items = cast("list[Any]", value)
    return len(items) == 2 and isinstance(items[0], str)
