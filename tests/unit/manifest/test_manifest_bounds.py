"""Every number of a manifest or a panel has a smallest and a largest value, whatever its section."""

from typing import Any

import pytest

from surefoot.errors import ManifestError, PanelError
from surefoot.evaluation.panel_files import read_panel
from surefoot.manifest import Manifest
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.validate import validate

Key = tuple[str | int, ...]


def numbers(value: Any, key: Key = ()) -> list[Key]:
    """Keys of all numbers in plain data."""
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in numbers(item, (*key, name))]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in numbers(item, (*key, index))]
    return [key] if isinstance(value, int | float) and not isinstance(value, bool) else []


def replaced(plain: Any, key: Key, value: Any) -> Any:
    if not key:
        return value
    out = plain.copy()
    out[key[0]] = replaced(plain[key[0]], key[1:], value)
    return out


def accepted(plain: Any, keys: list[Key], read: Any, error: type[Exception]) -> list[str]:
    found: list[str] = []
    for key in keys:
        for value in (10**18, -1e18, 1e308, 10**400):
            try:
                read(replaced(plain, key, value))
            except error as problem:
                assert len(str(problem)) < 10_000
            else:
                found.append(f"{'.'.join(map(str, key))}={value:.3g}" if value != 10**400 else str(key))
    return found


def test_no_number_of_a_manifest_is_without_bounds(go1_manifest: Manifest):
    plain = go1_manifest.to_plain()
    # Joints are alike: each number of one is enough.
    keys = [key for key in numbers(plain) if key[:2] != ("robot", "joints") or key[2] == 0]
    assert len(keys) > 150
    assert accepted(plain, keys, lambda changed: validate(changed, "file"), ManifestError) == []


def test_no_number_of_a_panel_is_without_bounds():
    plain = {
        "schema_version": 1, "name": "hard_v1", "why": "A panel of every condition that there is.", "robots": ["go1"],
        "seed": 1, "replicates": 2, "duration": 5.0, "warm_up": 1.0,
        "success": {"lin_vel_error": 0.3, "yaw_rate_error": 0.3},
        "start": {name: [-0.1, 0.1] for name in ("position_xy", "yaw", "lin_vel", "ang_vel", "joint_pos", "joint_vel")},
        "cells": {"all": {
            "why": "Everything at once, which nobody meets.", "commands": [[0.0, 0.5, 0.0, 0.1]],
            "terrain": {"kind": "stairs_up", "difficulty": 0.5, "seed": 3},
            "kicks": [{"at": 2.0, "phase": 0.5, "lin_vel": 1.0, "direction_deg": 90.0, "ang_vel_z": 0.2}],
            **{name: 0.02 if kind.step else kind.example for name, kind in FACTORS.items()},
        }},
    }  # fmt: skip
    assert read_panel(plain, "file").num_envs == 2
    assert len(numbers(plain)) > 40
    assert accepted(plain, numbers(plain), lambda changed: read_panel(changed, "file"), PanelError) == []


def test_a_million_unknown_keys_are_a_short_message_in_little_time(go1_manifest: Manifest):
    plain = go1_manifest.to_plain() | {f"key_{i}": i for i in range(100_000)}
    with pytest.raises(ManifestError) as caught:
        validate(plain, "file")
    assert len(str(caught.value).splitlines()) == 41
    assert str(caught.value).endswith("... and 99,960 more")


def test_the_smallest_positive_number_has_a_finite_square(go1_manifest: Manifest):
    plain = go1_manifest.to_plain()
    plain["task"]["gait"]["frequency"] = 1e-200
    with pytest.raises(ManifestError, match=r"task.gait.frequency: expected at least 1e-12, got 1e-200"):
        validate(plain, "file")
