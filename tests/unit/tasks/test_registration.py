"""Entry points as Isaac Lab resolves them; without Isaac Lab."""

import importlib
import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest

from surefoot.errors import MissingExtra, UnknownName
from surefoot.manifest import Manifest, override_manifest
from surefoot.rl.config import mirror_by_env, named_runner_config
from surefoot_tasks import list_tasks, registration


@pytest.mark.parametrize("name", registration.task_ids())
def test_every_entry_point_is_a_name_in_the_module_that_the_project_declares(name: str) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    (declared,) = project["entry-points"]["isaaclab.tasks"].values()
    for text in registration.entry_points(name).values():
        module, _, attribute = text.partition(":")
        assert module == declared  # `isaaclab list_envs` in a checkout asks for that
        assert callable(getattr(registration, attribute))


def test_each_task_has_an_id_for_watching() -> None:
    ids = registration.task_ids()
    assert ids["Surefoot-Velocity-Flat-Unitree-Go1-v0"] == ("Surefoot-Velocity-Flat-Unitree-Go1-v0", False)
    assert ids["Surefoot-Velocity-Flat-Unitree-Go1-Play-v0"] == ("Surefoot-Velocity-Flat-Unitree-Go1-v0", True)
    assert len(ids) == 2 * len(list_tasks())


def test_an_unknown_id_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'Surefoot-Velocity-Flat-Unitree-Go1-Play-v0'"):
        registration.entry_points("Surefoot-Velocity-Flat-Unitree-Go1-Pley-v0")


def test_other_names_are_not_there() -> None:
    for name in ("env_cfg_entry_point", "env_cfg_entry_point ", "skrl_cfg_entry_point Task", "registered"):
        with pytest.raises(AttributeError):
            getattr(registration, name)


def test_without_gymnasium_one_line_says_so() -> None:
    if importlib.util.find_spec("gymnasium") is not None:
        pytest.skip("gymnasium is installed")
    with pytest.raises(MissingExtra, match=r"comes with Isaac Lab .* use this project's scripts"):
        registration.register()


def names_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [name for item in value.values() for name in names_in(item)]
    return [value] if isinstance(value, str) and ":" in value else []


@pytest.mark.parametrize("symmetry", ["none", "augmentation", "mirror_loss", "equivariant"])
def test_the_runners_configuration_has_names_instead_of_classes(go1_manifest: Manifest, symmetry: str) -> None:
    plain = named_runner_config(override_manifest(go1_manifest, [f"ppo.symmetry={symmetry}"]))
    found = names_in(plain)
    assert len(found) == {"none": 1, "augmentation": 2, "mirror_loss": 2, "equivariant": 3}[symmetry]
    for text in found:
        module, _, name = text.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_mirror_comes_from_the_environments_manifest(go1_manifest: Manifest) -> None:
    import torch

    class Env:
        manifest = go1_manifest

        @property
        def unwrapped(self) -> "Env":
            return self

    _, both = mirror_by_env(Env(), None, torch.eye(12))
    assert both is not None
    names = go1_manifest.robot.joint_names
    for index, joint in enumerate(go1_manifest.robot.joints):
        assert both[12 + index, names.index(joint.mirror)] == joint.mirror_sign
