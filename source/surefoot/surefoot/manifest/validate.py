"""From plain data to a `Manifest`, or an error that names file, key, expectation and nearest name."""

from typing import Any, cast

from surefoot import labs
from surefoot.errors import LabError, ManifestError
from surefoot.manifest.document import check, split_key
from surefoot.manifest.lab import LabRecord
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.origin import Source


def validate(plain: dict[str, Any], source: Source | str = "manifest") -> Manifest:
    """Check plain data against the schema and the term functions.

    Args:
        plain: Nested dicts, lists and numbers.
        source: Where the data came from, to name the file a bad key stands in.

    Raises:
        ManifestError: With one line for each problem, or for each lab that it needs and that is not here.
    """
    from surefoot.mdp.term_check import term_problems  # terms need the schema's classes

    source = Source(source) if isinstance(source, str) else source
    manifest = check(_with_mappings(plain, source), Manifest, source.of)
    for name, record in manifest.labs.items():
        _check_lab(name, record, source)
    problems = term_problems(manifest)
    if problems:
        lines = [f"{source.of(split_key(problem.key))}: {problem}" for problem in problems]
        raise ManifestError("\n".join(lines), key="")
    return manifest


def _check_lab(name: str, record: LabRecord, source: Source) -> None:
    try:
        labs.get(name)
    except LabError as error:
        raise ManifestError(
            f"{source.of(('labs', name))}: it was written with lab {name!r}, {record.package} {record.version}, which "
            f"has the robot's model or terms: {error} Install that package first: pip install "
            f"{record.package}=={record.version}, from whoever gave you this file"
        ) from None


def with_labs(manifest: Manifest) -> Manifest:
    """The manifest with a record of the labs that it needs, as they are installed here.

    Raises:
        LabError: The robot's model is of a lab that is not installed or has no such file.
    """
    from surefoot.mdp.term_check import lab_names

    asset = manifest.robot.assets.mujoco or ""
    model = labs.model_path(asset) if "/" in asset else None
    needed = {asset.split("/")[0]} if model is not None else set[str]()
    records: dict[str, LabRecord] = {}
    for name in sorted(needed | lab_names(manifest)):
        lab = labs.get(name)
        sha256 = lab.sha256(model if name in needed else None)
        records[name] = LabRecord(package=lab.package, version=lab.version, sha256=sha256)
    return manifest if records == manifest.labs else manifest.model_copy(update={"labs": records})


def lab_changes(manifest: Manifest) -> tuple[str, ...]:
    """A sentence for each lab whose files are not those that the manifest was written with."""
    if not manifest.labs:
        return ()
    now = with_labs(manifest).labs
    return tuple(
        f"Lab {name!r} is not as it was: {record.package} {record.version} (sha256 {record.sha256[:12]}) then, "
        f"{now[name].version} ({now[name].sha256[:12]}) now."
        for name, record in manifest.labs.items()
        if name in now and now[name] != record
    )


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
