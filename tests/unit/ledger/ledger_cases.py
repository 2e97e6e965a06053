"""Run folders with chosen numbers, as small as the ledger reads them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

ZERO = "0" * 64
TASK = "Task-A"


def evaluation(score: float, iteration: int = 10, job: str = "000001-panel-10", **changes: Any) -> dict[str, Any]:
    metric = {"value": score, "low": score - 0.1, "high": min(1.0, score + 0.1), "version": 1, "unit": "share"}
    falls = metric | {"value": round(1 - score, 6)}
    plain = {
        "job": job, "event": "panel", "kind": "panel", "content": "small_v1", "content_sha256": "1" * 64,
        "iteration": iteration, "checkpoint_sha256": ZERO, "status": "valid", "score": score,
        "held_out": {"success_rate": metric, "fall_rate": falls}, "in_distribution": {"success_rate": metric},
        "transfer": {}, "tags": [], "seconds": 3.0,
    }  # fmt: skip
    return plain | changes


def make_run(root: Path, name: str, *, task: str = TASK, robot: str = "dog", **changes: Any) -> Path:
    """Write the four files of a run; `changes` are of the record."""
    run = root / task / name
    run.mkdir(parents=True)
    started = changes.pop("started", "2026-11-01T10:00:00+0000")
    evaluations = changes.pop("evaluations", [])
    record = {
        "schema_version": 1, "run": name, "status": "finished", "reason": "", "started": started, "written": started,
        "task": task, "engine": "mujoco", "device": "cpu", "hardware": "2 x CPU", "versions": {"surefoot": "0.1.0"},
        "seed": 1, "manifest_sha256": ZERO, "manifests": [{"from_iteration": 1, "sha256": ZERO}],
        "training": {"iterations": 10, "until": 10, "num_envs": 4, "samples": 1000, "seconds": 60.0,
                     "samples_per_s": 16.7},
        "scheduled": [], "events_mode": "off", "quality": {}, "evaluations": evaluations, "unanswered": [],
        "omitted": [], "damaged_files": [], "best": None,
        "faults": {"steps": {"nan": 2.0}, "invalid_share": 0.002, "evaluations": 0},
        "alerts": {"by_kind": {}, "by_action": {}}, "transfer": {"metrics": {}, "tags": []},
    } | changes  # fmt: skip
    (run / "run_record.json").write_text(json.dumps(record))
    (run / "manifest.yaml").write_text(yaml.safe_dump({"name": task, "robot": {"name": robot}}))
    start = {"time": started, "manifest_sha256": ZERO, "resumed_from_iteration": None}
    (run / "starts.jsonl").write_text(
        json.dumps(start) + "\n" + json.dumps(start | {"resumed_from_iteration": 5}) + "\n"
    )
    return run


def report(run: Path, shares: dict[str, float], iteration: int = 10, **changes: Any) -> Path:
    """A report of a panel beside the record: each cell with its share of successes, all held out."""

    def metric(value: float) -> dict[str, Any]:
        return {"value": value, "low": 0.0, "high": 1.0, "version": 1}

    mean = sum(shares.values()) / len(shares)
    names = ("success_rate", "fall_rate", "lin_vel_error", "yaw_rate_error")
    group = {name: metric(mean if name == "success_rate" else 1 - mean) for name in names}
    plain = {
        "schema_version": 1, "panel": "hand_v1", "panel_sha256": "2" * 64, "metric_versions": dict.fromkeys(names, 1),
        "units": dict.fromkeys(names, "-"), "checkpoint": "x", "checkpoint_sha256": ZERO, "iteration": iteration,
        "engine": "mujoco", "seed": 7, "valid": True, "reasons": [], "score": mean, "held_out": group,
        "in_distribution": group, "seconds": 5.0,
        "cells": [
            {"name": name, "group": "held_out", "sha256": hashlib.sha256(name.encode()).hexdigest(), "episodes": 8,
             "valid": 8, "metrics": {key: metric(share) for key in names}}
            for name, share in shares.items()
        ],
    } | changes  # fmt: skip
    path = run / f"panel_hand_v1_{iteration}.json"
    path.write_text(json.dumps(plain))
    return path
