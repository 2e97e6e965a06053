"""scripts/evaluate.py --panel and scripts/compare.py, end to end, on weights that learned nothing."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import surefoot.cli
from surefoot.manifest import Manifest, override_manifest
from surefoot.rl.policy import build_network

ROOT = Path(__file__).resolve().parents[2]
WHY = "a cell that a test made for itself"
PANEL = {
    "name": "small_v1", "replicates": 2, "duration": 1.2, "warm_up": 0.2,
    "cells": {
        "nominal": {"why": WHY, "control": True},
        "ice": {"why": WHY, "friction": 0.1},
        "meant": {"why": WHY, "friction": 0.7},
        "steps": {"why": WHY, "terrain": {"kind": "stairs_up", "difficulty": 0.3}},
    },
}  # fmt: skip


def call(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def policy(path: Path, manifest: Manifest, seed: int, *earlier: Manifest) -> Path:
    torch.manual_seed(seed)
    networks = {f"{which}_state_dict": build_network(manifest, which).state_dict() for which in ("actor", "critic")}
    infos = {"format": 1, "manifest": manifest.canonical_json}
    infos |= {"earlier_manifests": [before.canonical_json for before in earlier]} if earlier else {}
    torch.save({**networks, "iter": 7, "infos": infos}, path)
    return path


def test_two_policies_from_the_command_line(engine: str, go1_manifest: Manifest, tmp_path: Path):
    panel = tmp_path / "small_v1.yaml"
    panel.write_text(yaml.safe_dump(yaml.safe_load((ROOT / "manifests/panels/quick_v1.yaml").read_text()) | PANEL))
    for seed, name in enumerate("ab"):
        weights = policy(tmp_path / "model_7.pt", go1_manifest, seed)
        common = ("--engine", engine, "--checkpoint", weights, "--panel", panel)
        found = call("evaluate.py", *common, "--json", tmp_path / f"{name}.json")
        assert found.returncode == 0, found.stderr
    assert "refused as held out, inside the training distribution: meant" in found.stdout
    assert {"b.json", "b.parquet", "b.png"} <= {path.name for path in tmp_path.iterdir()}
    report = json.loads((tmp_path / "b.json").read_text())
    groups = {cell["name"]: cell["group"] for cell in report["cells"]}
    assert groups["steps"] == groups["ice"] == "held_out" and groups["meant"] == "in_distribution"
    compared = call("compare.py", tmp_path / "a.json", tmp_path / "b.json")
    assert compared.returncode == 0 and "P(B better)" in compared.stdout
    report["panel_sha256"] = "0" * 64
    (tmp_path / "c.json").write_text(json.dumps(report))
    refused = call("compare.py", tmp_path / "a.json", tmp_path / "c.json")
    assert refused.returncode == 1 and "cannot be compared: different panels" in refused.stderr


def test_ground_of_an_earlier_training_is_not_held_out(engine: str, go1_manifest: Manifest, tmp_path: Path):
    """Trained on ice, then resumed without it; the table says so and counts shares in percent."""
    icy = override_manifest(go1_manifest, ["randomization.factors.friction.edges=[0.05,1.0]"])
    weights = policy(tmp_path / "model_7.pt", go1_manifest, 0, icy)
    panel = tmp_path / "small_v1.yaml"
    panel.write_text(yaml.safe_dump(yaml.safe_load((ROOT / "manifests/panels/quick_v1.yaml").read_text()) | PANEL))
    found = call("evaluate.py", "--engine", engine, "--checkpoint", weights, "--panel", panel)
    assert found.returncode == 0, found.stderr
    mark = "" if engine == "mujoco" else f"_{engine.replace(':', '_')}"
    report = json.loads((tmp_path / f"panel_small_v1_7{mark}.json").read_text())
    groups = {cell["name"]: cell["group"] for cell in report["cells"]}
    assert groups["ice"] == "in_distribution" and groups["steps"] == "held_out"
    assert report["refused_as_held_out"] == ["ice", "meant"] and report["earlier_manifests_sha256"] == [icy.sha256]
    assert "trained with 2 manifests" in found.stdout
    low, high = (100 * report["held_out"]["fall_rate"][key] for key in ("low", "high"))
    assert f"[{low:.1f}, {high:.1f}]" in next(line for line in found.stdout.splitlines() if "fall_rate" in line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--panel", "quick_v2"), "Did you mean 'quick_v1'"),
        (("--panel", "quick_v1", "--films", "99"), "--films: expected 1 to 12"),
        (("--panel", "quick_v1", "--json", "x.txt"), "expected a name that ends in .json"),
        (("--panel", "quick_v1", "--replicates", "3"), "--panel has its own replicates"),
        (("--films", "1"), "--films: panel command_grid_v3 draws its conditions"),
    ],
)
def test_refusals_are_one_line(
    engine: str,
    go1_manifest: Manifest,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    path = ROOT / "scripts" / "evaluate.py"
    weights = policy(tmp_path / "model_7.pt", go1_manifest, 0)
    monkeypatch.setattr(sys, "argv", [str(path), "--engine", engine, "--checkpoint", str(weights), *arguments])
    monkeypatch.setattr(surefoot.cli, "leave", sys.exit)  # not the process of the tests
    with pytest.raises(SystemExit) as end:
        surefoot.cli.run(runpy.run_path(str(path))["main"])
    assert end.value.code != 0 and message in capsys.readouterr().err
