"""Cards are read strictly, hashed canonically, and contradict themselves nowhere."""

from pathlib import Path

import pytest

from surefoot.errors import ManifestError
from surefoot.traces import read_card, write_card

CARD = """
schema_version: 1
name: case
title: A case
robot: unitree_go2
source: {repository: example.org/logs}
licence: Apache-2.0
data: {file: case.csv, sha256: "SHA", profile: generic}
rates_hz: {state: 500}
torque: estimated
segments:
  - {mode: stand, start: 0, end: 2}
  - {mode: policy, start: 2, end: 5.5, note: trot}
defects:
  - {signal: gyro, note: not the body's}
perturbations:
  - {at: 3.0, lin_vel: [0.0, 0.5], note: pushed by hand}
  - {at: 4.0, ang_vel_z: -1.0}
""".replace("SHA", "0" * 64)


def written(folder: Path, text: str) -> Path:
    """A card's file."""
    path = folder / "card.yaml"
    path.write_text(text)
    return path


def test_a_card_comes_back(tmp_path: Path):
    card = read_card(written(tmp_path, CARD))
    write_card(tmp_path / "again.yaml", card)
    assert read_card(tmp_path / "again.yaml") == card


def test_the_hash_ignores_comments_and_order(tmp_path: Path):
    lines = CARD.strip().splitlines()
    shuffled = "\n".join(["# comment", *lines[1:6], lines[0], *lines[6:]])
    first = read_card(written(tmp_path, CARD)).sha256
    assert read_card(written(tmp_path, shuffled)).sha256 == first
    assert read_card(written(tmp_path, CARD.replace("500", "400"))).sha256 != first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("robot:", "robott:"), r"robott: unknown key\. Did you mean 'robot'\?"),
        (("mode: stand", "mode: standing"), r"segments\.0\.mode: input should be 'stand', .*got 'standing'"),
        (("start: 2", "start: 1.5"), r"segments\.1\.start: expected at least 2 s, where the segment before ends"),
        (("start: 0, end: 2", "start: 2, end: 2"), r"segments\.0\.end: expected more than start"),
        (("signal: gyro", "signal: gyros"), r"defects\.0\.signal: expected a signal, time or all, got 'gyros'"),
        (("at: 4.0", "at: 3.0"), r"perturbations\.1\.at: expected more than 3 s, the one before, got 3 s"),
        (("ang_vel_z: -1.0", "ang_vel_z: 0"), r"perturbations\.1\.lin_vel: expected a change of velocity, got none"),
        (("0" * 64, "abc"), r"data\.sha256: string should match pattern"),
        (("title: A case", "title: A case\ntitle: B"), "key 'title' appears twice"),
        (("title: A case", "title: !!python/object/apply:os.getcwd []"), "not YAML of plain values"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path: Path, change: tuple[str, str], message: str):
    with pytest.raises(ManifestError, match=message):
        read_card(written(tmp_path, CARD.replace(*change)))


def test_an_absent_card_is_one_line(tmp_path: Path):
    with pytest.raises(ManifestError, match="cannot be read"):
        read_card(tmp_path / "none.yaml")
