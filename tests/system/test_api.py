"""The Python API: the README's example does what it says, and what is foreign can be followed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import engines_here
import surefoot

pytestmark = pytest.mark.skipif("mujoco" not in engines_here.here(), reason="the example runs on MuJoCo")

README = Path(__file__).parents[2] / "README.md"


def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert "slippery held_out" in done.stdout
    assert len(list(tmp_path.glob("runs/*/*/exported/policy.onnx"))) == 1


def test_every_name_of_the_api_is_there_and_documented() -> None:
    names = [name for name in surefoot.__all__ if name != "__version__"]
    assert 10 < len(names) < 16
    for name in names:
        assert (getattr(surefoot, name).__doc__ or "").strip(), name


def test_the_readme_is_short() -> None:
    assert len(README.read_text().split()) <= 700
