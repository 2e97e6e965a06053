"""docker/ without a Docker engine: linters from PyPI, and what they cannot know; each check finds a planted defect."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from image_checks import compose_problems, dockerfiles, missing_sources, other_pins, root_users, unknown_extras

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
CHECKS = (missing_sources, unknown_extras, other_pins, root_users, compose_problems)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """docker/ and what it refers to, to be broken."""
    for name in ("docker", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in (
        ".dockerignore",
        "constraints.txt",
        "constraints-isaaclab.txt",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    ):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("source", "tasks", "manifests"):
        (tmp_path / name).mkdir()
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def hadolint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "hadolint"), "--no-color", *map(str, dockerfiles(root))]
    return subprocess.run(command, capture_output=True, text=True)


def compose_schema(root: Path) -> subprocess.CompletedProcess[str]:
    command = [
        str(BIN / "check-jsonschema"),
        "--builtin-schema",
        "vendor.compose-spec",
        str(root / "docker/compose.yaml"),
    ]
    return subprocess.run(command, capture_output=True, text=True)


def test_three_images() -> None:
    assert [path.suffix for path in dockerfiles(ROOT)] == [".isaaclab", ".isaacsim", ".mujoco"]


@pytest.mark.parametrize("check", CHECKS)
def test_the_repository_and_an_untouched_copy_are_clean(check: Callable[[Path], list[str]], copy: Path) -> None:
    assert check(ROOT) == []
    assert check(copy) == []


def test_linters_find_nothing() -> None:
    assert hadolint(ROOT).stdout == ""
    assert compose_schema(ROOT).returncode == 0


def test_linters_find_planted_defects(copy: Path) -> None:
    replace(copy / "docker/Dockerfile.mujoco", "--no-install-recommends", "")
    found = hadolint(copy)
    assert found.returncode != 0 and "DL3015" in found.stdout
    replace(copy / "docker/compose.yaml", "services:", "servces:")
    assert "servces" in compose_schema(copy).stdout


@pytest.mark.parametrize(
    ("check", "file", "old", "new", "says"),
    [
        (missing_sources, "docker/Dockerfile.mujoco", "COPY tasks tasks", "COPY task task", "COPY task: no such file"),
        (missing_sources, ".dockerignore", "!tasks\n", "", "COPY tasks: left out by .dockerignore"),
        (unknown_extras, "docker/Dockerfile.mujoco", "EXTRAS=mujoco,", "EXTRAS=mujco,", "extra mujco"),
        (other_pins, "docker/Dockerfile.mujoco", "TORCH_VERSION=2.13.0", "TORCH_VERSION=2.12.0", "torch==2.12.0"),
        (other_pins, "constraints.txt", "mjlab==1.6.0", "mjlab==1.7.0", "mjlab==1.6.0, constraints.txt: 1.7.0"),
        (
            root_users,
            "docker/Dockerfile.isaacsim",
            "USER ${USER_ID}:${GROUP_ID}\n",
            "",
            "Dockerfile.isaacsim: ends as 0",
        ),
        (compose_problems, "docker/compose.yaml", "USER_ID:", "UID:", "train: build argument UID"),
        (compose_problems, "docker/compose.yaml", "scripts/play.py", "scripts/plai.py", "plai.py: no such file"),
        (compose_problems, "docker/compose.yaml", "--num_envs", "--envs", "train.py has no --envs"),
        (compose_problems, "docker/compose.yaml", ":6006:6006", ":6006:6007", "nothing listens on 6007"),
    ],
)
def test_a_planted_defect_is_found(
    copy: Path, check: Callable[[Path], list[str]], file: str, old: str, new: str, says: str
) -> None:
    replace(copy / file, old, new)
    assert any(says in problem for problem in check(copy)), check(copy)
