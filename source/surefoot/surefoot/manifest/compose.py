"""Composition of a manifest from YAML files and overrides by Hydra."""

import math
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from surefoot.errors import ManifestError, did_you_mean, unknown_name
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.validate import validate

TASKS = "tasks"


def task_names(root: Path) -> list[str]:
    """Tasks that have a manifest under `root`, sorted."""
    return sorted(path.stem for path in (root / TASKS).glob("*.yaml"))


def compose_manifest(root: Path, task: str, overrides: list[str] | None = None) -> Manifest:
    """Compose and validate the manifest of a task.

    Args:
        root: Folder that holds `tasks/` and the config groups.
        task: Name of a file in `tasks/`, without ending.
        overrides: Hydra overrides, `key=value` or `group=option`.

    Raises:
        UnknownName: No such task.
        ManifestError: A file or an override is malformed, or the result does not fit the schema.
    """
    names = task_names(root)
    if task not in names:
        raise unknown_name("Task", task, names)
    overrides = list(overrides or [])
    plain = _compose(root, task, [])
    if overrides:
        groups = sorted(path.name for path in root.iterdir() if path.is_dir() and path.name not in (TASKS, "panels"))
        for override in _parse(overrides):
            _check_override(override, plain, root, groups)
        plain = _compose(root, task, overrides)
    return validate(plain, root=root, task=task, overrides=overrides)


def override_manifest(manifest: Manifest, overrides: list[str]) -> Manifest:
    """Apply `key=value` overrides to a resolved manifest, for example the one in a run folder.

    Raises:
        ManifestError: A key does not exist, a group is chosen (the files are not consulted here), or the result does
            not fit the schema.
    """
    plain = manifest.to_plain()
    config = OmegaConf.create(plain)
    for override in _parse(overrides):
        key = override.key_or_group
        if override.is_delete() or (key in plain and isinstance(plain[key], dict)):
            raise ManifestError(f"command line: {key}: only key=value can change a run's manifest; name the task instead")
        _check_override(override, plain, Path(), [])
        OmegaConf.update(config, key, override.value(), force_add=override.is_add())
    changed = cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True))
    return validate(changed, source="command line")


def _compose(root: Path, task: str, overrides: list[str]) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(root.resolve()), version_base="1.3"):
            config: DictConfig = compose(config_name=f"{TASKS}/{task}", overrides=overrides)
            return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        where = "overrides " + " ".join(overrides) if overrides else str(root / TASKS / f"{task}.yaml")
        first_line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ManifestError(f"{where}: {first_line}") from error
    finally:
        GlobalHydra.instance().clear()


def _parse(overrides: list[str]) -> list[Override]:
    parsed: list[Override] = []
    parser = OverridesParser.create()
    for text in overrides:
        try:
            parsed.append(parser.parse_override(text))
        except HydraException as error:
            raise ManifestError(
                f"command line: {text!r} is not an override; expected key=value, for example ppo.gamma=0.98"
            ) from error
    return parsed


def _check_override(override: Override, plain: dict[str, Any], root: Path, groups: list[str]) -> None:
    """Refuse an override of a key that does not exist, naming the nearest that does."""
    key = override.key_or_group
    if key in groups:
        options = [path.stem for path in (root / key).glob("*.yaml")]
        value = str(override.value())
        if value not in options:
            raise ManifestError(f"command line: {key}={value}: {unknown_name(f'{key} option', value, options)}")
        return
    if override.is_add():
        return
    here: Any = plain
    done: list[str] = []
    for part in key.split("."):
        if isinstance(here, list):
            items = cast("list[Any]", here)
            if not part.isdigit() or int(part) >= len(items):
                raise ManifestError(
                    f"command line: {key}: {'.'.join(done)} is a list of {len(items)}; "
                    f"expected an index from 0 to {len(items) - 1}, got {part!r}"
                )
            here = items[int(part)]
        elif isinstance(here, dict):
            entries = cast("dict[str, Any]", here)
            if part not in entries:
                prefix = ".".join(done)
                raise ManifestError(
                    f"command line: {key}: {prefix or 'the manifest'} has no key {part!r}. "
                    f"{did_you_mean(part, entries)} To add an entry write +{key}=..."
                )
            here = entries[part]
        else:
            raise ManifestError(f"command line: {key}: {'.'.join(done)} is the value {here!r} and has no keys")
        done.append(part)
    value = override.value()
    if isinstance(value, float) and not math.isfinite(value):
        raise ManifestError(f"command line: {key}: expected a finite number, got {value}")
