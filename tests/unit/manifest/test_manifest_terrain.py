"""The sections of the ground: what is refused, and what they mean."""

from typing import Any

import pytest

from surefoot.errors import ManifestError
from surefoot.manifest import Manifest, override_manifest, validate
from surefoot.manifest.terrain import HeightScan

GENERATOR: dict[str, Any] = {
    "seed": 1,
    "classes": {"boxes": {"proportion": 2.0}, "stairs_up": {"proportion": 1.0, "params": {"step_height": [0.02, 0.1]}}},
    "difficulty": [0.0, 1.0],
    "levels": 5,
    "columns": 6,
    "tile_size": 8.0,
    "platform": 1.5,
    "resolution": 0.05,
    "border": 2.0,
    "curriculum": {"start_level": 2, "promote": 1.0, "demote": 0.5},
}


def with_generator(manifest: Manifest, **changes: Any) -> Manifest:
    plain = manifest.to_plain()
    plain["task"]["terrain"] = {"kind": "generator", "env_spacing": 2.0, "generator": {**GENERATOR, **changes}}
    return validate(plain)


def test_generated_ground_is_part_of_the_hash_and_order_of_classes_is_too(go1_manifest: Manifest) -> None:
    made = with_generator(go1_manifest)
    assert made.sha256 != go1_manifest.sha256
    assert made.sha256 != with_generator(go1_manifest, seed=2).sha256
    turned = dict(reversed(GENERATOR["classes"].items()))
    assert made.sha256 != with_generator(go1_manifest, classes=turned).sha256


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"classes": {"stair_up": {"proportion": 1.0}}}, "classes.stair_up", "Did you mean 'stairs_up'"),
        (
            {"classes": {"boxes": {"proportion": 1.0, "params": {"hight": [0.1, 0.2]}}}},
            "classes.boxes.params.hight",
            "Did you mean 'height'",
        ),
        (
            {"classes": {"boxes": {"proportion": 1.0, "params": {"width": [0.0, 0.2]}}}},
            "classes.boxes.params.width",
            "expected values > 0 m",
        ),
        ({"columns": 1}, "columns", "at least one for each of 2 classes"),
        ({"difficulty": [0.8, 0.2]}, "difficulty", "first <= last"),
        ({"difficulty": [0.0, 1.2]}, "difficulty.1", "less than or equal to 1"),
        ({"curriculum": {"start_level": 5, "promote": 1.0, "demote": 0.5}}, "curriculum.start_level", "less than"),
        ({"resolution": 0.03}, "resolution", "whole cells"),
        ({"platform": 8.0}, "platform", "less than tile_size"),
        ({"tile_sise": 8.0}, "tile_sise", "Did you mean 'tile_size'"),
    ],
)
def test_bad_ground_is_refused_by_key(go1_manifest: Manifest, changes: Any, key: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        with_generator(go1_manifest, **changes)
    assert f"task.terrain.generator.{key}: " in str(caught.value)


def test_kind_and_generator_go_together(go1_manifest: Manifest) -> None:
    with pytest.raises(ManifestError, match=r"task\.terrain\.generator: missing"):
        override_manifest(go1_manifest, ["task.terrain.kind=generator"])
    plain = with_generator(go1_manifest).to_plain()
    plain["task"]["terrain"]["kind"] = "plane"
    with pytest.raises(ManifestError, match=r"task\.terrain\.generator: expected null"):
        validate(plain)


def test_height_scan_counts_points_on_both_ends() -> None:
    # 1.6 x 1.0 m in 0.1 m: 17 forward, 11 sideways.
    scan = HeightScan(size=(1.6, 1.0), resolution=0.1)
    assert scan.shape == (11, 17) and scan.num_rays == 187


def test_height_scan_that_is_no_whole_number_of_steps_is_refused(go1_manifest: Manifest) -> None:
    plain = go1_manifest.to_plain()
    plain["task"]["height_scan"] = {"size": [1.6, 1.05], "resolution": 0.1}
    with pytest.raises(ManifestError, match=r"task\.height_scan\.size: expected whole multiples"):
        validate(plain)
