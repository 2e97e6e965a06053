"""The distribution: one version, pinned constraints, manifests that travel with it."""

import ast
import os
import subprocess
import sys
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


def test_enabling_the_extension_registers_the_tasks(tmp_path: Path) -> None:
    # As Kit does it: each module's path is put on sys.path, then the module is imported. Kit itself is not run here.
    folder = ROOT / "source/surefoot"
    modules = tomllib.loads((folder / "config/extension.toml").read_text())["python"]["module"]
    (tmp_path / "gymnasium.py").write_text("registry = {}\ndef register(id, **_): registry[id] = True\n")
    code = f"""
import importlib, sys
sys.path.insert(0, {str(tmp_path)!r})
for module in {modules!r}:
    sys.path.insert(0, {str(folder)!r} + "/" + module.get("path", "."))
    importlib.import_module(module["name"])
import gymnasium, surefoot_tasks
print(*gymnasium.registry)
print(surefoot_tasks.manifest_root())
"""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    ids, manifests = found.stdout.splitlines()
    assert set(list_tasks()) < set(ids.split())
    assert Path(manifests) == ROOT / "manifests"


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


def test_scripts_load_no_simulator_before_they_know_which_and_need_no_git() -> None:
    # MuJoCo chooses its OpenGL when it is imported: films would look for a screen. RSL-RL's GitPython wants git.
    scripts = [str(path) for path in sorted((ROOT / "scripts").glob("*.py"))]
    code = f"""
import runpy, sys
from surefoot import commands
for name in commands.COMMANDS:
    commands.parser_of(name)
assert not {{"torch", "hydra", "matplotlib"}} & set(sys.modules)
for script in {scripts}:
    runpy.run_path(script)
import surefoot.api
surefoot.train, surefoot.evaluate, surefoot.register_term
from surefoot.engines.base import with_presets
with_presets("isaaclab", ["physics=newton_mjwarp"])
loaded = sorted({{"mujoco", "mjlab", "isaaclab", "newton", "warp"}} & set(sys.modules))
assert not loaded, loaded
"""
    environment = {key: value for key, value in os.environ.items() if key not in ("PATH", "GIT_PYTHON_REFRESH")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


MAY_PRINT = {
    "cli.py": "how commands end",
    "reporting.py": "say(), by which all others tell of progress",
    "rl/progress.py": "one line that is written over and over on a terminal, which it has to recognise",
}
"""Beside the commands."""


def console_uses(source: str) -> set[str]:
    """What of a module's source writes to the console, or asks about it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id in ("print", "pprint", "Console"):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr", "__stdout__", "__stderr__"):
            if isinstance(node.value, ast.Name) and node.value.id == "sys":
                found.add(f"sys.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module == "sys":
            found |= {f"sys.{alias.name}" for alias in node.names if alias.name in ("stdout", "stderr")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "rich":
            found |= {alias.name for alias in node.names if alias.name in ("print", "Console")}
    return found


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("print(1)", "print"), ("say = print", "print"), ("import sys\nsys.stdout.write('x')", "sys.stdout"),
        ("from sys import stderr", "sys.stderr"), ("from rich.console import Console as C", "Console"),
    ],
)  # fmt: skip
def test_what_writes_to_the_console_is_seen(source: str, use: str) -> None:
    assert console_uses(source) == {use}
    assert not console_uses("import subprocess\ndone = subprocess.run([])\ndone.stdout\n# print(1)")


def test_only_the_command_line_prints() -> None:
    library = ROOT / "source/surefoot/surefoot"
    sources = {path.relative_to(library).as_posix(): path.read_text() for path in library.rglob("*.py")}
    using = {name: console_uses(text) for name, text in sources.items() if not name.startswith("commands/")}
    using = {name: found for name, found in using.items() if found}
    # Exactly these: a module that has no need to be excused any more is taken off the list.
    assert set(using) == set(MAY_PRINT), using
