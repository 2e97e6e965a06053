"""Logs of real robots: imported, compared with what their authors and other files say, described by their cards."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from log_cases import imported
from surefoot.errors import TraceError, UnknownName
from surefoot.traces import Trace, read_trace, rotation
from surefoot.traces.cards_and_suites import card_names, check_card, find_card, import_card, read_suite
from surefoot.traces.describe import describe
from surefoot.traces.estimate import estimate_gains, find_modes
from surefoot.traces.estimate.offset import mocap_offset
from surefoot.traces.fetch import read_sources
from surefoot.traces.plot import plot_trace
from surefoot_tasks import manifest_root

DATA = Path(os.environ.get("SUREFOOT_SHARED", manifest_root().parent.parent / "shared")) / "traces"
CARDS = [name for name in card_names(manifest_root()) if name.startswith("go2_")]
PUBLISHED = [name for name in card_names(manifest_root()) if name not in CARDS]
"""Cards of what `surefoot fetch-traces` downloads."""
FAST, SLOW = "go2_orl_test_1_500hz", "go2_orl_standard_replay_position_2_50hz"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real logs in {DATA}; SUREFOOT_SHARED names the folder")


def trace_of(name: str, folder: Path) -> Trace:
    """The trace of a card."""
    path = folder / f"{name}.parquet"
    import_card(find_card(manifest_root(), name), DATA, path, manifest_root())
    return read_trace(path)


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return trace_of(FAST, tmp_path_factory.mktemp("fast"))


def test_there_are_cards_and_a_suite():
    suite = read_suite(manifest_root(), "go2_v1")
    assert {entry.card for entry in suite.traces} == set(CARDS)
    outcomes = {name: find_card(manifest_root(), name).outcome for name in CARDS}
    assert [name for name, outcome in outcomes.items() if outcome == "failed"] == ["go2_wtw_01_28_09_22_33_0"]
    with pytest.raises(UnknownName, match=r"Did you mean 'go2_orl_test_1_500hz'\?"):
        find_card(manifest_root(), "go2_orl_test_1_50hz")
    with pytest.raises(UnknownName, match=r"'go2_v2' not found. Did you mean 'go2_v1'"):
        read_suite(manifest_root(), "go2_v2")


def test_the_public_suite_is_of_what_can_be_downloaded():
    """A card's hash follows from those of the files in sources.yaml: lines `sha256  name`, sorted by name."""
    suite, sources = read_suite(manifest_root(), "go2_public_v1"), read_sources(manifest_root())
    assert [entry.card for entry in suite.traces] == sorted(PUBLISHED, reverse=True) and len(PUBLISHED) == 2
    for name in PUBLISHED:
        card, source = find_card(manifest_root(), name), sources.get(name)
        assert card.data.file == str(source.folder / source.log) and card.data.profile == source.profile
        files = [file for file in source.files if file.path.startswith(f"{source.log}/")]
        lines = "".join(
            f"{file.sha256}  {Path(file.path).name}\n" for file in sorted(files, key=lambda file: file.path)
        )
        assert card.data.sha256 == hashlib.sha256(lines.encode()).hexdigest()
        assert (card.licence, card.source.commit) == (source.licence, source.commit)


@needs_data
@pytest.mark.parametrize("name", CARDS)
def test_each_card_fits_its_data(name: str):
    assert "data and card agree" in check_card(find_card(manifest_root(), name), DATA, manifest_root())


@needs_data
def test_data_that_was_changed_does_not_fit(tmp_path: Path):
    card = find_card(manifest_root(), FAST)
    (tmp_path / card.data.file).write_bytes((DATA / card.data.file).read_bytes().replace(b"0.82", b"0.83", 1))
    with pytest.raises(TraceError, match=r"sha256 .*, its card says .* another file, or damaged"):
        check_card(card, tmp_path, manifest_root())
    with pytest.raises(TraceError, match=r"no such file; card .* surefoot fetch-traces"):
        check_card(card, tmp_path / "none", manifest_root())


@needs_data
@pytest.mark.parametrize("name", [name for name in CARDS if "wtw" in name])
def test_targets_and_torques_of_walk_these_ways_stand_at_the_state_that_they_follow_from(name: str, tmp_path: Path):
    """Its host computes tau = 20 (q_des - q) - 0.5 dq; a row apart, as in the file, it is wrong by 1 N m and more."""
    trace = trace_of(name, tmp_path)
    q, dq, tau, q_des = (trace.signals[signal][:-1] for signal in ("q", "dq", "tau", "q_des"))
    assert np.abs(20 * (q_des - q) - 0.5 * dq - tau).max() < 1e-5
    assert np.abs(20 * (q_des - q)[:-1] - 0.5 * dq[:-1] - tau[1:]).max() > 1.0


@needs_data
def test_gains_delay_and_damping_of_the_500_hz_run(fast: Trace):
    modes = find_modes(fast)
    assert [segment.mode for segment in modes] == ["stand", "policy", "damping"]
    assert modes[1].start == pytest.approx(6.04, abs=0.05) and modes[2].start == pytest.approx(9.65, abs=0.05)
    found = estimate_gains(fast, modes[1].start, modes[1].end)
    assert found.stiffness.value == pytest.approx(35, abs=2) and found.stiffness.identified
    assert found.damping.value == pytest.approx(0.5, abs=0.1) and found.damping.identified
    assert found.delay.value == pytest.approx(0.004, abs=0.002) and found.delay.identified
    assert found.stiffness.r2 > 0.95
    damping = estimate_gains(fast, modes[2].start, modes[2].end)
    assert damping.damping.value == pytest.approx(5.2, abs=0.5) and damping.stiffness.value == pytest.approx(0, abs=1)
    assert not estimate_gains(fast, 0.0, modes[0].end - 0.1).stiffness.identified


@needs_data
def test_the_bag_agrees_with_the_table(tmp_path: Path):
    """Poses of the recorded bag, at the table's stamps, against the columns that its authors resampled."""
    bag = imported_bag(tmp_path)
    card = find_card(manifest_root(), SLOW)
    plain = (DATA / card.data.file).read_text().splitlines()
    names = plain[0].split(",")
    rows = np.array([[float(cell) for cell in line.split(",")] for line in plain[1:]])
    stamp = np.array([int(line.split(",")[1]) for line in plain[1:]])
    axes = [names.index(f"vicon_pos_{axis}_m") for axis in "xyz"]
    at = (stamp - bag.stamp[0]) * 1e-9
    poses = np.stack([np.interp(at, bag.time, bag.get("base_pos_w")[:, axis]) for axis in range(3)], axis=1)
    error = np.abs(poses - rows[:, axes])
    assert np.sqrt((error**2).mean(axis=0)).max() < 1e-3 and error.max() < 5e-3  # m; the robot moves by metres
    assert np.ptp(rows[:, axes], axis=0).max() > 1.0


def imported_bag(folder: Path) -> Trace:
    """The real rosbag2, copied: its folder may be read-only."""
    import shutil

    copy = Path(shutil.copytree(DATA / "go2_orl_vicon_bag", folder / "go2_orl_vicon_bag"))
    trace = imported(copy, "go2_vicon_bag")
    assert trace.header.num_samples == 15_883
    assert [finding.kind for finding in trace.header.findings] == ["other"]
    return trace


@needs_data
def test_the_base_under_the_marker_is_level_and_at_standing_height(tmp_path: Path):
    trace = trace_of(SLOW, tmp_path)
    down = [rotation.gravity_b(trace.get(name)) for name in ("imu_quat", "base_quat_w")]
    angle = np.rad2deg(np.arccos(np.clip((down[0] * down[1]).sum(axis=1), -1, 1)))
    assert angle.mean() < 1.5
    assert 0.2 < trace.get("base_pos_w")[:, 2].mean() < 0.32
    assert abs(mocap_offset(trace).offset.value) < 0.02


@needs_data
def test_description_and_picture(fast: Trace, tmp_path: Path):
    text = describe(fast.path)
    assert "damping (kp" in text and "estimated" in text and "cannot be identified: targets do not move" in text
    assert plot_trace(fast.path, tmp_path / "a.png").stat().st_size > 50_000
