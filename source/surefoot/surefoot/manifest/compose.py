"""Composition of a manifest from YAML files and overrides by Hydra."""

import math
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from surefoot.errors import ManifestError, did_you_mean, unknown_name
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.origin import TASKS, Source
from surefoot.manifest.validate import known_keys, validate


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
    given = _parse(list(overrides or []))
    groups = [override for override in given if (root / override.key_or_group).is_dir() and not override.is_delete()]
    values = [override for override in given if override not in groups]
    for group in groups:
        _check_option(group, root)
    options = [_text(override) for override in groups]
    source = Source(root=root, task=task, overrides=tuple(options))
    manifest = validate(_compose(root, task, options), source)
    if values:
        plain = manifest.to_plain()
        for override in values:
            _check_override(override, plain)
        # Checked against the schema above; Hydra would ask for a + before keys that the files leave at their default.
        changes = [override.is_add() or override.is_delete() for override in values]
        texts = [("" if change else "++") + _text(item) for item, change in zip(values, changes, strict=True)]
        source = Source(root=root, task=task, overrides=tuple(_text(override) for override in given))
        manifest = validate(_compose(root, task, options + texts), source)
    if manifest.name != task:
        where = source.of(("name",))
        raise ManifestError(f"{where}: name: expected {task!r}, as the task's file is called, got {manifest.name!r}")
    return manifest


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
            raise ManifestError(
                f"command line: {key}: only key=value can change a run's manifest; name the task instead"
            )
        _check_override(override, plain)
        OmegaConf.update(config, key, override.value(), force_add=override.is_add())
    changed = cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True))
    return validate(changed, source="command line")


def _compose(root: Path, task: str, overrides: list[str]) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(root.resolve()), version_base="1.3"):
            config: DictConfig = compose(config_name=f"{TASKS}/{task}", overrides=overrides)
            return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    except yaml.YAMLError as error:
        raise ManifestError(_yaml_problem(error, root / TASKS / f"{task}.yaml")) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        where = "overrides " + " ".join(overrides) if overrides else str(root / TASKS / f"{task}.yaml")
        first_line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ManifestError(f"{where}: {first_line}") from error
    finally:
        GlobalHydra.instance().clear()


def _yaml_problem(error: yaml.YAMLError, primary: Path) -> str:
    """File, line and reason of a YAML error; only plain values, each key once, are read."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.name}:{mark.line + 1}: not YAML of plain values: {error.problem}"
    return f"{primary}: not YAML of plain values: {str(error).splitlines()[0]}"


def _parse(overrides: list[str]) -> list[Override]:
    parsed: list[Override] = []
    parser = OverridesParser.create()
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except HydraException as error:
            raise ManifestError(
                f"command line: {text!r} is not an override; expected key=value, for example ppo.gamma=0.98"
            ) from error
        if override.is_sweep_override():
            raise ManifestError(f"command line: {text!r} gives several values; expected one, a run has one manifest")
        parsed.append(override)
    return parsed


def _text(override: Override) -> str:
    return cast("str", override.input_line)


def _check_option(override: Override, root: Path) -> None:
    """Refuse an option that a config group does not have, naming the nearest that it has."""
    group = override.key_or_group
    options = [path.stem for path in (root / group).glob("*.yaml")]
    value = str(override.value())
    if value not in options:
        raise ManifestError(f"command line: {group}={value}: {unknown_name(f'{group} option', value, options)}")


def _check_override(override: Override, plain: dict[str, Any]) -> None:
    """Refuse an override of a key that does not exist, naming the nearest that does."""
    key = override.key_or_group
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
                closed = known_keys(tuple(int(name) if name.isdigit() else name for name in done))
                way_out = "" if closed else f" To add an entry write +{key}=..."
                raise ManifestError(
                    f"command line: {key}: {prefix or 'the manifest'} has no key {part!r}. "
                    f"{did_you_mean(part, closed or entries)}{way_out}"
                )
            here = entries[part]
        else:
            raise ManifestError(f"command line: {key}: {'.'.join(done)} is the value {here!r} and has no keys")
        done.append(part)
    value = override.value()
    if isinstance(value, float) and not math.isfinite(value):
        raise ManifestError(f"command line: {key}: expected a finite number, got {value}")
