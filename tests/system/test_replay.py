"""scripts/replay.py from a trace's file to report, pictures and film."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import engines_here
import own_logs
from surefoot.engines.base import physics_name
from surefoot.engines.opengl import choose_opengl
from surefoot.errors import MissingExtra
from surefoot.manifest import compose_manifest
from surefoot.replay.simulated import simulated_logs
from surefoot.replay.trace_run import bucket_conditions, bucket_values, replay_manifest
from surefoot.traces.trace_file import write_trace
from surefoot_tasks import manifest_root

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "replay.py"
TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
OVERRIDES = [
    *(f"task.resets.{name}=[0,0]" for name in ("position_xy", "yaw", "lin_vel", "ang_vel", "joint_pos", "joint_vel")),
    "randomization.factors={payload_mass: {edges: [-1,1,3], mode: startup}}",
    "randomization.bucket_by=[payload_mass]",
]


def overrides(engine: str) -> list[str]:
    """With the full contact model, where the engine has it."""
    return [f"simulation={engines_here.contacts(engine)}", *OVERRIDES]


@pytest.fixture(scope="module")
def log(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.2 s of a Go1 that trots on the spot with 2 kg on its back."""
    manifest = replay_manifest(compose_manifest(manifest_root(), TASK, overrides(engine)))
    values = {name: column[1:2] for name, column in bucket_values(manifest)[1].items()}
    build = engines_here.Builder(engine)
    env = build(manifest, evaluation=True, single_steps=True, conditions=bucket_conditions(values, windows=1))
    step = np.arange(240) // 4 * 4 * 0.005
    phase = 2 * np.pi * (2.0 * step[:, None] + np.repeat([0.0, 0.5, 0.5, 0.0], 3)) + np.tile([0, 0, 1.2], 4)
    targets = np.array(manifest.robot.default_joint_pos) + np.tile([0.05, 0.25, 0.3], 4) * np.sin(phase)
    path = tmp_path_factory.mktemp("log") / "trot.parquet"
    try:
        given = targets.astype(np.float32).astype(float)
        (trace,) = simulated_logs(env, given, engine=engine, delay=torch.zeros(1).long())
    finally:
        build.close()
    write_trace(path, trace)
    return path


def replay(engine: str, log: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--trace", str(log), "--task", TASK, "--horizon", "0.2", "--out", str(out)]
    command += ["--engine", engine, *arguments, *overrides(engine)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def no_film() -> str:
    """Why nothing is drawn here; empty where it is."""
    chosen = os.environ.get("MUJOCO_GL")
    try:
        choose_opengl()
    except MissingExtra as error:
        return str(error)
    finally:
        if chosen is None:
            os.environ.pop("MUJOCO_GL", None)
    return ""


def test_report_and_film_of_a_log_in_its_own_bucket(engine: str, log: Path, tmp_path: Path):
    """Recorded and simulated robot move alike, so that the halves of the film differ by their captions alone."""
    why_not = no_film()
    film = tmp_path / "trot.mp4"
    done = replay(engine, log, tmp_path, *(["--film", str(film), "--seconds", "0.6"] if not why_not else []))
    assert done.returncode == 0, done.stderr
    plain = json.loads((tmp_path / "open_loop.json").read_text())
    assert plain["score"] < own_logs.nothing(engine) and plain["factors"][0]["best_interval"] == 1
    if own_logs.remembers_contacts(engine):
        assert "contact (foot_contact): events" in done.stdout
    else:
        assert "contact (foot_contact): events +0 ms after the log's (median; size 0 ms), 0% without" in done.stdout
    name = physics_name(engine)
    assert f"floor of engine {name} against {name}: 0.000" in done.stdout and plain["floor"] == 0
    assert all((tmp_path / f"open_loop_{name}.png").stat().st_size > 5_000 for name in ("overlay", "gap", "buckets"))
    if why_not:
        pytest.skip(f"the report was checked, the film not: {why_not}")
    import imageio_ffmpeg

    frames = imageio_ffmpeg.read_frames(film)
    about = next(frames)
    assert about["size"] == (960, 480) and about["fps"] == 25.0
    pictures = np.array([np.frombuffer(frame, np.uint8).reshape(480, 960, 3) for frame in frames]).astype(int)
    assert len(pictures) == 15  # 0.6 s at 25 frames a second
    below = pictures[:, 160:]  # the captions are above
    left, right = below[:, :, :480], below[:, :, 480:]
    moved = np.abs(np.diff(left, axis=0)).mean(axis=3).max(axis=(1, 2))
    assert moved.min() > 40  # legs
    # What compression leaves; where contacts are remembered the robots are a little apart, which a light floor shows.
    assert np.percentile(np.abs(left - right), 99.9) < (40 if own_logs.remembers_contacts(engine) else 20)
    assert np.abs(pictures[:, :160, :480] - pictures[:, :160, 480:]).max() > 100


def test_a_film_that_cannot_be_written_is_refused_before_the_replay(engine: str, log: Path, tmp_path: Path):
    done = replay(engine, log, tmp_path, "--film", str(tmp_path / "trot.avi"))
    assert done.returncode == 1 and "expected a name that ends in .mp4" in done.stderr
    assert list(tmp_path.iterdir()) == []
