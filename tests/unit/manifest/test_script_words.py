"""Overrides may stand anywhere between the options of a script."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from surefoot import cli
from surefoot.manifest import Manifest

GO1_FLAT = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
SCRIPTS = Path(__file__).parents[3] / "scripts"


def test_train(monkeypatch: pytest.MonkeyPatch) -> None:
    main = runpy.run_path(str(SCRIPTS / "train.py"))["main"]
    trained: list[Manifest] = []
    monkeypatch.setattr("surefoot.rl.train.train", lambda manifest, **_: trained.append(manifest))
    words = ["--task", GO1_FLAT, "ppo.gamma=0.98", "--seed", "2", "training.max_iterations=7"]
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    main()
    assert [(one.ppo.gamma, one.seed, one.training.max_iterations) for one in trained] == [(0.98, 2, 7)]


@pytest.mark.parametrize("script", ["play", "evaluate"])
def test_play_and_evaluate_get_as_far_as_the_checkpoint(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main: Any = runpy.run_path(str(SCRIPTS / f"{script}.py"))["main"]
    words = ["--checkpoint", "absent.pt", "ppo.gamma=0.98", "--device", "cpu", "seed=2"]
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *words])
    with pytest.raises(SystemExit):
        cli.run(main)
    assert capsys.readouterr().err.startswith("error: absent.pt: no such file.")
