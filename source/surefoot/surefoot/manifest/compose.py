"""Composition of a manifest from YAML files and overrides by Hydra."""

import os
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from surefoot import labs
from surefoot.errors import ManifestError, unknown_name
from surefoot.manifest.config_files import check_files
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.origin import TASKS, Source
from surefoot.manifest.overrides import override_manifest, parse_overrides
from surefoot.manifest.validate import validate, with_labs


def task_names(root: Path) -> list[str]:
    """Tasks that have a manifest under `root` or in an installed lab, sorted."""
    return labs.stems(root, TASKS)


def compose_manifest(root: Path, task: str, overrides: list[str] | None = None) -> Manifest:
    """Compose and validate the manifest of a task.

    Args:
        root: Folder that holds `tasks/` and the config groups.
        task: Name of a file in `tasks/`, without ending.
        overrides: Hydra overrides, `key=value` or `group=option`.

    Raises:
        UnknownName: No such task.
        LabError: Only a lab that is left out has it.
        ManifestError: A file or an override is malformed, or the result does not fit the schema.
    """
    _task_file(root, task)
    given = list(overrides or [])
    groups = [item for item in parse_overrides(given) if is_group(root, item.key_or_group) and not item.is_delete()]
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
    return with_labs(manifest)


def check_task(root: Path, task: str) -> None:
    """Refuse the name of a task that does not exist, at once and without torch.

    Raises:
        UnknownName: With the nearest name.
        LabError: Only a lab that is left out has it.
    """
    _task_file(root, task)


def is_group(root: Path, name: str) -> bool:
    """Whether `name=OPTION` chooses a file for a whole section."""
    return any(os.path.isdir(folder / name) for folder in labs.folders(root))


def _task_file(root: Path, task: str) -> Path:
    path = labs.find(root, f"{TASKS}/{task}.yaml")
    if path is None:
        raise unknown_name("Task", task, task_names(root))
    return path


def _compose(root: Path, task: str, overrides: list[str]) -> dict[str, Any]:
    primary = _task_file(root, task)
    check_files(primary, root, dict(text.split("=", 1) for text in overrides))
    home = primary.parents[1]
    others = ",".join(f"'file://{_quoted(folder)}'" for folder in labs.folders(root) if folder != home)
    searched = [f"hydra.searchpath=[{others}]"] if others else []
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(home.resolve()), version_base="1.3"):
            config: DictConfig = compose(config_name=f"{TASKS}/{task}", overrides=[*searched, *overrides])
            return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    except yaml.YAMLError as error:
        raise ManifestError(_yaml_problem(error, primary)) from error
    # Hydra asserts where a defaults list has what it does not expect.
    except (HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError, OSError) as error:
        where = " ".join(["command line:", *overrides]) if overrides else str(primary)
        first_line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ManifestError(f"{where}: {first_line}") from error
    finally:
        GlobalHydra.instance().clear()


def _quoted(folder: Path) -> str:
    """For a quoted text in Hydra's grammar."""
    return str(folder.resolve()).replace("\\", "\\\\").replace("'", "\\'")


def _yaml_problem(error: yaml.YAMLError, primary: Path) -> str:
    """File, line and reason of a YAML error; only plain values, each key once, are read."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.name}:{mark.line + 1}: not YAML of plain values: {error.problem}"
    return f"{primary}: not YAML of plain values: {str(error).splitlines()[0]}"


def _check_option(override: Override, root: Path) -> None:
    """Refuse an option that a config group does not have, naming the nearest that it has."""
    group = override.key_or_group
    options = labs.stems(root, group)
    value = str(override.value())
    if value not in options:
        raise ManifestError(f"command line: {group}={value}: {unknown_name(f'{group} option', value, options)}")
