"""Exported networks give the actions of the policy and carry what a controller must know."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from surefoot.errors import CheckpointError, RunFolderError
from surefoot.manifest import Manifest, compose_manifest
from surefoot.mdp.observation_layout import observation_size
from surefoot.rl.export import export_policy, policy_metadata
from surefoot.rl.policy import build_network, load_policy
from surefoot.runs import checkpoint
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


def write_checkpoint(folder: Path, manifest: Manifest) -> checkpoint.Checkpoint:
    """A checkpoint with random weights and a normaliser that has seen data with mean 1 and spread 3."""
    torch.manual_seed(0)
    actor = build_network(manifest, "actor")
    size = observation_size(manifest, "actor")
    state = actor.state_dict()
    if manifest.ppo.actor.obs_normalization:
        state["obs_normalizer._mean"] = torch.randn(1, size) + 1
        state["obs_normalizer._std"] = torch.rand(1, size) + 2.5
    content = {
        "actor_state_dict": state,
        "critic_state_dict": {},
        "iter": 7,
        "infos": {"format": checkpoint.FORMAT, "manifest": manifest.canonical_json},
    }
    path = folder / "model_7.pt"
    checkpoint.save(content, path)
    return checkpoint.load(path)


def onnx_actions(path: Path, obs: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["actions"], {"obs": obs.numpy()})[0])


@pytest.mark.parametrize("symmetry", ["equivariant", "none"])
@pytest.mark.parametrize("normalized", [True, False])
def test_onnx_and_torchscript_reproduce_the_policy(tmp_path: Path, symmetry: str, normalized: bool):
    overrides = [f"ppo.symmetry={symmetry}", f"ppo.actor.obs_normalization={str(normalized).lower()}"]
    manifest = compose_manifest(manifest_root(), TASK, overrides)
    loaded = write_checkpoint(tmp_path, manifest)
    export_policy(loaded, tmp_path / "out")

    obs = 5 * torch.randn(300, observation_size(manifest, "actor"))  # 300: the batch size is not baked in
    expected = load_policy(loaded, manifest)(obs)
    scripted = torch.jit.load(tmp_path / "out" / "policy.pt")
    assert expected.abs().max() > 0.1
    np.testing.assert_allclose(onnx_actions(tmp_path / "out" / "policy.onnx", obs), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(scripted(obs), expected, rtol=0, atol=1e-5)


def test_all_three_files_carry_the_same_metadata(tmp_path: Path):
    manifest = compose_manifest(manifest_root(), TASK)
    export_policy(write_checkpoint(tmp_path, manifest), tmp_path)
    beside = json.loads((tmp_path / "policy.json").read_text())
    extra = {"policy.json": ""}
    torch.jit.load(tmp_path / "policy.pt", _extra_files=extra)
    in_onnx = {p.key: json.loads(p.value) for p in onnx.load(tmp_path / "policy.onnx").metadata_props}
    assert json.loads(extra["policy.json"]) == beside == in_onnx
    assert beside["manifest_sha256"] == manifest.sha256
    assert beside["iteration"] == 7


def test_metadata_say_where_every_number_of_the_observation_belongs(tmp_path: Path):
    term = "+task.observations.actor.terms.joint_vel"
    overrides = [f"{term}.history=3", f"{term}.scale=0.05"]
    manifest = compose_manifest(manifest_root(), TASK, overrides)
    metadata = policy_metadata(write_checkpoint(tmp_path, manifest))
    blocks = {block["name"]: block for block in metadata["observation"]["blocks"]}
    # gyro 3, gravity 3, joint positions 12, joint velocities 12 x 3, action 12, command 3, clock 2 x 4 feet
    starts = [block["start"] for block in metadata["observation"]["blocks"]]
    assert starts == [0, 3, 6, 18, 54, 66, 69]
    assert metadata["observation"]["size"] == 77
    assert blocks["joint_vel"]["scale"] == 0.05
    assert (blocks["joint_vel"]["unit"], blocks["base_ang_vel"]["frame"]) == ("rad/s", "base")
    assert blocks["joint_pos"]["order"] == metadata["joint_names"]
    assert all(len(block["order"]) == block["size"] for block in blocks.values())


def test_metadata_hold_gains_and_pose_of_the_robot_definition(tmp_path: Path):
    metadata = policy_metadata(write_checkpoint(tmp_path, compose_manifest(manifest_root(), TASK)))
    calf = metadata["joint_names"].index("RL_calf_joint")
    assert metadata["default_joint_pos_rad"][calf] == -1.8
    assert metadata["effort_limit_n_m"][calf] == 35.55
    assert metadata["stiffness_n_m_per_rad"] == [35.0] * 12
    assert metadata["action"]["scale_rad"] == 0.5
    assert metadata["control_step_s"] == 0.02  # 4 physics steps of 5 ms


def test_torchscript_loads_without_surefoot_and_rsl_rl(tmp_path: Path):
    manifest = compose_manifest(manifest_root(), TASK)
    export_policy(write_checkpoint(tmp_path, manifest), tmp_path)
    code = (
        "import sys, torch\n"
        f"policy = torch.jit.load({str(tmp_path / 'policy.pt')!r})\n"
        f"out = policy(torch.zeros(2, {observation_size(manifest, 'actor')}))\n"
        "assert out.shape == (2, 12)\n"
        "assert not {'surefoot', 'rsl_rl'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_not_finite_weights_are_refused_before_anything_is_written(tmp_path: Path):
    loaded = write_checkpoint(tmp_path, compose_manifest(manifest_root(), TASK))
    next(iter(loaded.content["actor_state_dict"].values())).view(-1)[0] = float("nan")
    with pytest.raises(CheckpointError, match="not finite"):
        export_policy(loaded, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path):
    loaded = write_checkpoint(tmp_path, compose_manifest(manifest_root(), TASK))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match="cannot be made"):
        export_policy(loaded, tmp_path / "file" / "out")


def test_script_refuses_a_truncated_checkpoint_and_keeps_the_last_export(tmp_path: Path):
    loaded = write_checkpoint(tmp_path, compose_manifest(manifest_root(), TASK))
    export_policy(loaded, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "half.pt").write_bytes(loaded.path.read_bytes()[:5000])
    script = Path(__file__).resolve().parents[3] / "scripts" / "export.py"
    arguments = ["--checkpoint", str(tmp_path / "half.pt"), "--output", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "half.pt: corrupt" in done.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
