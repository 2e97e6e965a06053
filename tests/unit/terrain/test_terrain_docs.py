"""docs/terrain.md lists every class as the code has it; the script draws."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from surefoot import cli
from surefoot.manifest.terrain_classes import TERRAIN_CLASSES

ROOT = Path(__file__).parents[3]


def test_table_of_classes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", (ROOT / "docs/terrain.md").read_text(), flags=re.MULTILINE)
    assert [name for name, _, _ in rows] == list(TERRAIN_CLASSES)
    for name, meaning, params in rows:
        kind = TERRAIN_CLASSES[name]
        written = [f"`{key}` {v.default[0]:g} to {v.default[1]:g} {v.unit}" for key, v in kind.params.items()]
        assert (meaning, params) == (kind.meaning, "; ".join(written) or "-")


def test_script_draws_and_refuses_a_plane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(ROOT / "scripts/terrain.py"))["main"]
    picture = tmp_path / "classes.png"
    monkeypatch.setattr(sys, "argv", ["terrain.py", "classes", "--out", str(picture), "--difficulty", "0.5"])
    main()
    assert picture.read_bytes().startswith(b"\x89PNG")
    task = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
    monkeypatch.setattr(sys, "argv", ["terrain.py", "layout", "--out", str(picture), "--task", task])
    with pytest.raises(SystemExit):
        cli.run(main)
    assert f"error: Task {task!r} is on a plane" in capsys.readouterr().err
