"""Entry points as Isaac Lab resolves them; without Isaac Lab."""

import importlib
import importlib.util
from typing import Any

import pytest

from surefoot.errors import MissingExtra
from surefoot.manifest import Manifest, override_manifest
from surefoot.rl.config import mirror_by_env, named_runner_config
from surefoot_tasks import list_tasks, registration


@pytest.mark.parametrize("task", list_tasks())
@pytest.mark.parametrize("key", ["env_cfg_entry_point", "rsl_rl_cfg_entry_point"])
def test_every_entry_point_is_a_name_in_a_module(task: str, key: str) -> None:
    module, _, name = f"{registration.__name__}:{key} {task}".partition(":")
    assert callable(getattr(importlib.import_module(module), name))


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
