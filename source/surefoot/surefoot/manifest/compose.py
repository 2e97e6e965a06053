"""Composition of a manifest from YAML files and overrides by Hydra."""

from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from surefoot.errors import ManifestError, unknown_name
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.origin import TASKS, Source
from surefoot.manifest.overrides import override_manifest, parse_overrides
from surefoot.manifest.validate import validate


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
    given = list(overrides or [])
    groups = [item for item in parse_overrides(given) if (root / item.key_or_group).is_dir() and not item.is_delete()]
    for group in groups:
        _check_option(group, root)
    options = [str(group.input_line) for group in groups]
    manifest = validate(_compose(root, task, options), Source(root=root, task=task, overrides=tuple(options)))
    source = Source(root=root, task=task, overrides=tuple(given))
    values = [text for text in given if text not in options]
    if values:
        manifest = override_manifest(manifest, values, source)
    if manifest.name != task:
        where = source.of(("name",))
        raise ManifestError(f"{where}: name: expected {task!r}, as the task's file is called, got {manifest.name!r}")
    return manifest


def _compose(root: Path, task: str, overrides: list[str]) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(root.resolve()), version_base="1.3"):
            config: DictConfig = compose(config_name=f"{TASKS}/{task}", overrides=overrides)
            return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    except yaml.YAMLError as error:
        raise ManifestError(_yaml_problem(error, root / TASKS / f"{task}.yaml")) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        where = " ".join(["command line:", *overrides]) if overrides else str(root / TASKS / f"{task}.yaml")
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


def _check_option(override: Override, root: Path) -> None:
    """Refuse an option that a config group does not have, naming the nearest that it has."""
    group = override.key_or_group
    options = [path.stem for path in (root / group).glob("*.yaml")]
    value = str(override.value())
    if value not in options:
        raise ManifestError(f"command line: {group}={value}: {unknown_name(f'{group} option', value, options)}")
