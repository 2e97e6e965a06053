"""Playing: measured walks, films, the viewer's page, bad arguments; exported policies on a real rollout."""

import os
import re
import runpy
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import engines_here
from surefoot.engines.opengl import choose_opengl
from surefoot.errors import MissingExtra, SurefootError
from surefoot.manifest import compose_manifest, override_manifest
from surefoot.mdp.command_schedule import CommandSchedule
from surefoot.play.film import film
from surefoot.rl.export import export_policy
from surefoot.rl.policy import build_network, load_policy
from surefoot.runs import checkpoint
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "play.py"
main = runpy.run_path(str(SCRIPT))["main"]
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
MANIFEST = compose_manifest(manifest_root(), TASK, ["training.num_envs=1"])


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose policy moves the legs a little: random weights, normaliser at mean 0 and spread 1."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("run") / "model_0.pt"
    content = {
        "actor_state_dict": build_network(MANIFEST, "actor").state_dict(),
        "critic_state_dict": {},
        "iter": 0,
        "infos": {"format": checkpoint.FORMAT, "manifest": MANIFEST.canonical_json},
    }
    checkpoint.save(content, path)
    return path


def play(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *args], capture_output=True, text=True, timeout=300)


def test_a_robot_that_stands_misses_a_forward_command_by_all_of_it(make_env: engines_here.Builder):
    calm = [f"task.resets.{name}=[0,0]" for name in ("lin_vel", "ang_vel", "joint_pos")]
    env = make_env(override_manifest(MANIFEST, calm), num_envs=1, num_threads=1, evaluation=True)
    schedule = CommandSchedule.read("0:0,0,0; 1:0.6,0,0.4")
    walk = film(env, lambda obs: torch.zeros(1, 12), schedule, seconds=3.0, size=(64, 64))
    # 1 s of standing as told, 2 s of standing instead of walking: 2/3 of 0.6 m/s and 0.4 rad/s; the start settles.
    assert walk.seconds == 3.0
    assert walk.falls == 0
    assert walk.frames == 0
    assert walk.lin_vel_error == pytest.approx(0.4, abs=0.06)
    assert walk.yaw_rate_error == pytest.approx(0.8 / 3, abs=0.06)


def test_a_robot_that_throws_itself_over_is_counted_as_falling(make_env: engines_here.Builder):
    env = make_env(MANIFEST, num_envs=1, num_threads=1, evaluation=True)
    left_up = torch.tensor([[0.0, 3.0, 0.0, 0.0, -3.0, 0.0] * 2])  # right legs folded back, left legs forward
    walk = film(env, lambda obs: left_up, CommandSchedule.read("0:0,0,0"), seconds=4.0, size=(64, 64))
    assert walk.falls >= 1


def test_exported_policies_give_the_actions_of_a_real_rollout(
    make_env: engines_here.Builder, untrained: Path, tmp_path: Path
):
    loaded = checkpoint.load(untrained)
    export_policy(loaded, tmp_path)
    policy = load_policy(loaded, MANIFEST)
    session = onnxruntime.InferenceSession(tmp_path / "policy.onnx", providers=["CPUExecutionProvider"])
    scripted = torch.jit.load(tmp_path / "policy.pt")
    env = make_env(MANIFEST, num_envs=8, num_threads=1)
    obs = env.get_observations()["actor"]
    for _ in range(50):
        action = policy(obs)
        np.testing.assert_allclose(session.run(None, {"obs": obs.numpy()})[0], action, rtol=0, atol=1e-5)
        np.testing.assert_allclose(scripted(obs), action, rtol=0, atol=1e-5)
        obs = env.step(action).observations["actor"].clone()


def test_a_film_and_its_frame_show_the_robot(engine: str, untrained: Path, tmp_path: Path):
    video, frame = tmp_path / "walk.mp4", tmp_path / "walk.png"
    outputs = ("--video", str(video), "--frame", str(frame), "--seconds", "0.4", "--size", "320x240")
    arguments = ("--engine", engine, "--task", TASK, "--checkpoint", str(untrained), *outputs)
    if "MUJOCO_GL" not in os.environ:
        try:
            choose_opengl()
        except MissingExtra as error:
            pytest.skip(str(error))
        finally:
            os.environ.pop("MUJOCO_GL", None)
    import imageio_ffmpeg
    from PIL import Image

    done = play(*arguments)
    assert done.returncode == 0, done.stderr
    frames = imageio_ffmpeg.read_frames(video)
    about = next(frames)
    assert (about["size"], about["fps"]) == ((320, 240), 25.0)
    assert sum(1 for _ in frames) == 10  # 0.4 s at 25 frames a second
    picture = np.asarray(Image.open(frame)).astype(int)
    assert picture.shape == (240, 320, 3)
    # Sky above is pale, the ground is light, and in the middle stands something dark and grey.
    middle = picture[100:180, 110:210].reshape(-1, 3)
    grey = (np.ptp(middle, axis=1) < 12) & (middle.mean(axis=1) < 110)
    assert picture[2, 310].min() > 150
    assert grey.mean() > 0.1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk.mp4", "walk.png"]


def test_the_viewer_serves_its_page_until_it_is_interrupted(engine: str, untrained: Path):
    command = [sys.executable, str(SCRIPT), "--engine", engine, "--checkpoint", str(untrained), "--port", "18080"]
    process = subprocess.Popen(
        [*command, "--commands", "0:0.5,0,0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell ignores SIGINT in what it starts in the background, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        address = next(match[1] for line in process.stdout if (match := re.search(r"Viewer: (http://\S+)", line)))
        with urllib.request.urlopen(address, timeout=60) as reply:
            page = reply.read().decode()
        assert reply.status == 200
        assert "<title>Viser" in page
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--commands", "0:1,2"), "schedule: at 0 s: expected vx, vy, yaw rate"),
        (("--num_envs", "0"), "training.num_envs"),
        (("--device", "gpu"), "Device 'gpu' is unknown"),
        (("--engine", "mujoko"), "Did you mean 'mujoco'?"),
        (("--task", TASK[:-1] + "9"), f"Did you mean '{TASK}'?"),
        (("--seconds", "nan", "--video", "x.mp4"), "--seconds: expected a number from 0.1 to 3600"),
        (("--video", "absent/x.mp4"), "absent: cannot be written"),
    ],
)
def test_bad_arguments_are_one_clear_error(
    engine: str, untrained: Path, args: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "argv", ["play.py", "--engine", engine, "--checkpoint", str(untrained), *args])
    with pytest.raises(SurefootError, match=re.escape(message)):
        main()


def test_without_opengl_the_reason_is_named_and_nothing_is_written(
    engine: str, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    arguments = ["--engine", engine, "--checkpoint", str(untrained), "--video", str(tmp_path / "walk.mp4")]
    monkeypatch.setattr(sys, "argv", ["play.py", *arguments])
    with pytest.raises(MissingExtra, match=r"MUJOCO_GL=nothing does not work.*apt-get install libegl1"):
        main()
    assert list(tmp_path.iterdir()) == []


def test_a_corrupt_checkpoint_is_refused_in_one_line_with_exit_code_1(tmp_path: Path):
    (tmp_path / "model_1.pt").write_bytes(b"PK nonsense")
    done = play("--checkpoint", str(tmp_path / "model_1.pt"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "model_1.pt: corrupt" in done.stderr
    assert done.stderr.count("\n") == 1
