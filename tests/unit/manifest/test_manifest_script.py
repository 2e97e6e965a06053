"""scripts/manifest.py and scripts/list_tasks.py."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot import cli
from surefoot.manifest import Manifest, write_manifest

GO1_FLAT = "Surefoot-Velocity-Flat-Unitree-Go1-v0"

SCRIPTS = Path(__file__).parents[3] / "scripts"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a script in this process: exit code, stdout, stderr."""

    def call(name: str, *words: str) -> tuple[int, str, str]:
        spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *words])
        code = 0
        try:
            cli.run(module.main)
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_hash_of_task_and_run_folder(run: Run, go1_manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(go1_manifest, tmp_path)
    code, out, _ = run("manifest", "hash", GO1_FLAT, str(tmp_path))
    assert code == 0
    assert out.splitlines() == [f"{go1_manifest.sha256}  {GO1_FLAT}", f"{go1_manifest.sha256}  {tmp_path}"]


def test_show_prints_a_file_that_can_be_read_back(run: Run, go1_manifest: Manifest, tmp_path: Path) -> None:
    _, text, _ = run("manifest", "show", GO1_FLAT, "seed=3")
    (tmp_path / "mine.yaml").write_text(text)
    code, out, _ = run("manifest", "diff", GO1_FLAT, str(tmp_path / "mine.yaml"))
    assert code == 0
    assert out == "  seed  1 -> 3\n"


def test_diff_of_equal_manifests_says_so(run: Run, go1_manifest: Manifest) -> None:
    assert run("manifest", "diff", GO1_FLAT, GO1_FLAT, "seed=1")[1] == f"identical: {go1_manifest.sha256}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show", "Surefoot-Velocity-Flat-Unitre-Go1-v0"], f"Did you mean '{GO1_FLAT}'?"),
        (["show", GO1_FLAT, "ppo.gama=1"], "Did you mean 'gamma'?"),
        (["hash", "seed=1"], "name a manifest first"),
        (["diff", GO1_FLAT], "compares two manifests, got 1"),
    ],
)
def test_bad_input_is_one_error_and_exit_code_1(run: Run, words: list[str], expected: str) -> None:
    code, out, err = run("manifest", *words)
    assert code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert expected in err


def test_list_tasks_shows_sizes_and_hash(run: Run, go1_manifest: Manifest) -> None:
    code, out, _ = run("list_tasks", "--sizes")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith(GO1_FLAT))
    assert line.split()[1:5] == ["unitree_go1", "50", "Hz", "12"]
    assert line.endswith(go1_manifest.sha256[:12])
