"""The distribution: one version, pinned constraints, manifests that travel with it."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import surefoot
from surefoot_tasks import list_tasks, manifest_root

ROOT = Path(__file__).parents[2]


def test_the_isaac_lab_extension_has_the_packages_version() -> None:
    extension = tomllib.loads((ROOT / "source/surefoot/config/extension.toml").read_text())
    assert extension["package"]["version"] == surefoot.__version__


def test_constraints_pin_every_line_and_torch_among_them() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert pins["torch"] == "2.13.0"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["optional-dependencies"]["mujoco"]:
        if "==" in requirement:
            name, version = requirement.split("==")
            assert pins[name] == version


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-isaaclab.txt"])
def test_pins_satisfy_what_the_package_asks_for(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(package): version for package, version in (line.split("==") for line in lines)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    assert not [str(one) for one in wanted if not one.specifier.contains(pins.get(canonicalize_name(one.name), "0"))]


def test_every_task_file_is_listed() -> None:
    assert list_tasks() == sorted(path.stem for path in (manifest_root() / "tasks").glob("*.yaml"))
    assert "Surefoot-Velocity-Flat-Unitree-Go1-v0" in list_tasks()
