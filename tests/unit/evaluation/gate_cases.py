"""Reports and records with drawn or chosen episodes, as the gate reads them."""

import hashlib
from typing import Any

import numpy as np

from surefoot.runs.record_schema import Record

ZERO = "0" * 64


def report(shares: dict[str, Any], *, controls: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """A report of one metric, success; `shares` are the episodes of each cell: 0, 1 or None."""
    cells = [
        {
            "name": name,
            "group": "in_distribution" if name in controls else "held_out",
            "sha256": hashlib.sha256(name.encode()).hexdigest(),
            "samples": {"success_rate": list(values)},
        }
        for name, values in shares.items()
    ]
    known = [
        np.mean([v for v in cell["samples"]["success_rate"] if v is not None])
        for cell in cells
        if cell["group"] == "held_out"
    ]
    plain = {
        "schema_version": 1, "valid": True, "reasons": [], "score": float(np.mean(known)),
        "units": {"success_rate": "-"},
        "checkpoint": "model_1.pt", "checkpoint_sha256": ZERO, "iteration": 1, "engine": "mujoco", "panel": "test_v1",
        "panel_sha256": "1" * 64, "metric_versions": {"success_rate": 2}, "setting_sha256": "2" * 64,
        "replicates": len(next(iter(shares.values()))), "duration": 10.0, "cells": cells,
    }  # fmt: skip
    return plain | changes


def record(**changes: Any) -> Record:
    plain = {
        "run": "r", "status": "finished", "reason": "", "started": "", "written": "", "task": "T", "engine": "mujoco",
        "device": "cpu", "hardware": "", "versions": {}, "seed": 1, "manifest_sha256": ZERO, "manifests": (),
        "training": {"iterations": 1, "until": 1, "num_envs": 1, "samples": 1, "seconds": 1.0, "samples_per_s": 1.0},
        "scheduled": (), "events_mode": "off", "quality": {}, "evaluations": (), "unanswered": (), "omitted": (),
        "damaged_files": (), "best": None, "faults": {"steps": {}, "invalid_share": 0.0, "evaluations": 0},
        "alerts": {"by_kind": {}, "by_action": {}}, "transfer": {"metrics": {}, "tags": ()},
    }  # fmt: skip
    return Record.model_validate(plain | changes)
