"""Canonical JSON and its hash: equal for equal experiments, different for different ones."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import ManifestError
from surefoot.manifest import Manifest, override_manifest, read_manifest, validate, write_manifest
from surefoot.manifest.base import Ordered, Section
from surefoot.manifest.manifest import canonical_data

GOLDEN = Path(__file__).with_name("golden.yaml")


class Inner(Section):
    z: int
    a: float


class Outer(Section):
    terms: Annotated[dict[str, Inner], Ordered()]
    params: dict[str, float]
    pair: tuple[float, float]


def test_ordered_mappings_become_pairs_and_everything_else_keeps_its_shape() -> None:
    outer = Outer(terms={"b": Inner(z=1, a=2), "a": Inner(z=3, a=0.5)}, params={"y": 1.0}, pair=(0.0, 1.0))
    assert canonical_data(outer) == {
        "terms": [["b", {"z": 1, "a": 2.0}], ["a", {"z": 3, "a": 0.5}]],
        "params": {"y": 1.0},
        "pair": [0.0, 1.0],
    }


def test_the_hash_is_that_of_sorted_compact_json(go1_manifest: Manifest) -> None:
    text = go1_manifest.canonical_json
    assert go1_manifest.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert text.startswith('{"audit":{"actions":{"')
    assert '"name":"Surefoot-Velocity-Flat-Unitree-Go1-v0","ppo":{"actor":{"activation":"elu",' in text
    assert '"schema_version":1,"seed":1,"simulation":{"cone":' in text


def test_the_hash_of_a_frozen_manifest_has_not_changed() -> None:
    """After a change of the schema on purpose: scripts/manifest.py show TASK > golden.yaml, then CHANGELOG.md."""
    assert GOLDEN.read_text().startswith(f"# sha256 {read_manifest(GOLDEN).sha256}\n")


def test_the_hash_is_the_same_in_another_process_with_another_hash_seed() -> None:
    code = "import sys, pathlib, surefoot.manifest as m; print(m.read_manifest(pathlib.Path(sys.argv[1])).sha256)"
    other = str((int(os.environ.get("PYTHONHASHSEED", "0").replace("random", "0")) + 1) % 1000)
    done = subprocess.run(
        [sys.executable, "-c", code, str(GOLDEN)],
        env=os.environ | {"PYTHONHASHSEED": other},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == read_manifest(GOLDEN).sha256


def reordered(plain: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The same data with the entries of one mapping in reverse."""
    if not keys:
        return dict(reversed(plain.items()))
    return {name: reordered(item, *keys[1:]) if name == keys[0] else item for name, item in plain.items()}


@pytest.mark.parametrize(
    ("keys", "changes"),
    [
        (("task", "rewards"), True),
        (("task", "terminations"), True),
        (("task", "observations", "actor", "terms"), True),
        ((), False),
        (("ppo",), False),
        (("task", "rewards", "gait"), False),
    ],
)
def test_only_the_order_of_terms_counts(go1_manifest: Manifest, keys: tuple[str, ...], changes: bool) -> None:
    other = validate(reordered(go1_manifest.to_plain(), *keys))
    assert (other.sha256 != go1_manifest.sha256) is changes


def test_the_order_of_params_does_not_count(go1_manifest: Manifest) -> None:
    plain = go1_manifest.to_plain()
    term = plain["task"]["rewards"]["gait"]
    term["params"] = {"std": 0.1}
    base = validate(plain)
    two = base.task.rewards["gait"].model_copy(update={"params": {"b": 1, "a": 2}})
    swapped = two.model_copy(update={"params": {"a": 2, "b": 1}})

    def digest(reward: Any) -> str:
        task = base.task.model_copy(update={"rewards": base.task.rewards | {"gait": reward}})
        return base.model_copy(update={"task": task}).sha256

    assert digest(two) == digest(swapped)


def test_a_whole_number_for_a_real_one_is_the_same_experiment(go1_manifest: Manifest) -> None:
    whole = override_manifest(go1_manifest, ["task.gait.frequency=2"])
    assert whole.sha256 == override_manifest(go1_manifest, ["task.gait.frequency=2.0"]).sha256


def test_every_changed_number_changes_the_hash(go1_manifest: Manifest) -> None:
    one = override_manifest(go1_manifest, ["robot.joints.11.damping=0.5000001"])
    assert one.sha256 != go1_manifest.sha256


def test_manifests_of_before_there_were_kinds_of_motors_are_the_same_experiment(go1_manifest: Manifest) -> None:
    plain = go1_manifest.to_plain()
    del plain["robot"]["motors"]
    for joint in plain["robot"]["joints"]:
        del joint["saturation_effort"]
    assert validate(plain).sha256 == go1_manifest.sha256
    assert '"motors"' not in go1_manifest.canonical_json and '"saturation_effort"' not in go1_manifest.canonical_json
    driven = override_manifest(go1_manifest, ["robot.motors=dc_motor"])
    stronger = override_manifest(driven, ["robot.joints.0.saturation_effort=30"])
    assert len({go1_manifest.sha256, driven.sha256, stronger.sha256}) == 3


finite = st.floats(min_value=1e-6, max_value=1e6, allow_nan=False)


@settings(max_examples=10, deadline=None)
@given(
    weight=st.floats(min_value=-1e9, max_value=1e9, allow_nan=False),
    seed=st.integers(0, 2**31 - 1),
    std=finite,
    low=st.floats(-5, 0),
    high=st.floats(0, 5),
    source=st.text(max_size=30),
)
def test_written_and_read_back_gives_the_same_hash(
    go1_manifest: Manifest,
    tmp_path_factory: pytest.TempPathFactory,
    weight: float,
    seed: int,
    std: float,
    low: float,
    high: float,
    source: str,
) -> None:
    plain = go1_manifest.to_plain() | {"seed": seed}
    plain["robot"]["source"] = source
    plain["task"]["rewards"]["gait"] |= {"weight": weight, "params": {"std": std}}
    plain["task"]["commands"]["lin_vel_y"] = [low, high]
    manifest = validate(plain)
    back = read_manifest(write_manifest(manifest, tmp_path_factory.mktemp("run")))
    assert back == manifest
    assert back.sha256 == manifest.sha256


def test_canonical_json_is_read_back_and_duplicates_in_it_refused(go1_manifest: Manifest) -> None:
    plain = json.loads(go1_manifest.canonical_json)
    assert validate(plain).sha256 == go1_manifest.sha256
    plain["task"]["rewards"].append(plain["task"]["rewards"][0])
    with pytest.raises(ManifestError, match=r"task\.rewards: expected every name once"):
        validate(plain)
