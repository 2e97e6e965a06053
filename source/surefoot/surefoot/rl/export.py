"""A trained actor as ONNX and TorchScript, with everything that a robot's controller must know to run it.

Both networks take an observation vector, float32, shape (batch, num_obs), and return the mean action, shape
(batch, num_actions). The observation normaliser is inside. Metadata stand beside them (`policy.json`), in the ONNX
file (`metadata_props`, one JSON text per key) and in the TorchScript archive (extra file `policy.json`).
"""

import inspect
import io
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from rsl_rl.models import MLPModel

from surefoot.errors import RunFolderError
from surefoot.files import write_atomically
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.fields import READABLE
from surefoot.mdp.observation_layout import ObservationBlock, observation_layout
from surefoot.mdp.observations import MIRROR
from surefoot.mdp.registry import term
from surefoot.rl.policy import load_actor
from surefoot.runs.checkpoint import Checkpoint

METADATA = "policy.json"
OPSET = 18
FORMAT = 1


def export_policy(checkpoint: Checkpoint, folder: Path) -> list[Path]:
    """Write `policy.onnx`, `policy.pt` and `policy.json`; each file is replaced as a whole or left as it was.

    Raises:
        CheckpointError: The weights do not fit the manifest inside, or are not finite; nothing is written.
        RunFolderError: The folder cannot be made or written.
    """
    actor = load_actor(checkpoint, checkpoint.manifest)
    metadata = policy_metadata(checkpoint)
    contents = {
        "policy.onnx": onnx_bytes(actor, metadata),
        "policy.pt": torchscript_bytes(actor, metadata),
        METADATA: (json.dumps(metadata, indent=2) + "\n").encode(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be made ({error.strerror or error}).") from error
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return [folder / name for name in contents]


def onnx_bytes(actor: MLPModel, metadata: dict[str, Any]) -> bytes:
    """The actor as an ONNX model with input `obs`, output `actions` and a free batch size."""
    import onnx

    module = actor.as_onnx(verbose=False).cpu().eval()
    example = torch.zeros(1, actor.obs_dim)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the TorchScript exporter is announced as old; the new one needs onnxscript
        torch.onnx.export(
            module,
            (example,),
            buffer,  # pyright: ignore[reportArgumentType]  # a file object is what the TorchScript exporter takes
            opset_version=OPSET,
            input_names=["obs"],
            output_names=["actions"],
            dynamic_axes={"obs": {0: "batch"}, "actions": {0: "batch"}},
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in metadata.items()})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def torchscript_bytes(actor: MLPModel, metadata: dict[str, Any]) -> bytes:
    """The actor as a TorchScript archive; it loads without surefoot and without RSL-RL."""
    module = actor.as_jit().cpu().eval()
    buffer = io.BytesIO()
    scripted = torch.jit.script(module)
    torch.jit.save(scripted, buffer, _extra_files={METADATA: json.dumps(metadata)})
    return buffer.getvalue()


def policy_metadata(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a controller must know, as plain data; units and frames are named inside."""
    manifest, robot, task = checkpoint.manifest, checkpoint.manifest.robot, checkpoint.manifest.task
    joints = robot.joints
    blocks = observation_layout(manifest, "actor")
    return {
        "format": FORMAT,
        "task": manifest.name,
        "iteration": checkpoint.iteration,
        "manifest_sha256": manifest.sha256,
        "labs": {name: f"{lab.package} {lab.version}" for name, lab in manifest.labs.items()},
        "robot": robot.name,
        "control_step_s": manifest.simulation.step_dt,
        "joint_names": list(robot.joint_names),
        "default_joint_pos_rad": list(robot.default_joint_pos),
        "stiffness_n_m_per_rad": [joint.stiffness for joint in joints],
        "damping_n_m_s_per_rad": [joint.damping for joint in joints],
        "effort_limit_n_m": [joint.effort_limit for joint in joints],
        "velocity_limit_rad_per_s": [joint.velocity_limit for joint in joints],
        "joint_limits_rad": [list(joint.limits) for joint in joints],
        "action": {
            "size": len(joints),
            "clip": task.actions.clip,
            "scale_rad": task.actions.scale,
            "order": list(robot.joint_names),
            "meaning": "joint position target = default_joint_pos + scale * clamp(action, -clip, clip)",
        },
        "observation": {
            "size": blocks[-1].stop,
            "meaning": "blocks in order; each value is clamped to clip, then multiplied by scale, then stacked over "
            "history control steps, oldest first",
            "blocks": [_block_metadata(block, manifest) for block in blocks],
        },
        "gait": {
            "frequency_hz": task.gait.frequency,
            "feet": list(robot.foot_names),
            "foot_phase": list(task.gait.foot_phase),
            "meaning": "a phase in [0, 1) grows by frequency * control_step in every control step; a foot's phase is "
            "(phase + foot_phase) mod 1, with swing below 0.5; the policy may start at any phase",
        },
        "command": {
            "lin_vel_x_m_per_s": list(task.commands.lin_vel_x),
            "lin_vel_y_m_per_s": list(task.commands.lin_vel_y),
            "ang_vel_z_rad_per_s": list(task.commands.ang_vel_z),
            "moving_threshold": task.commands.moving_threshold,
            "meaning": "vx, vy, yaw rate in the base yaw frame, ranges seen in training; is_moving where their norm "
            "exceeds moving_threshold",
        },
    }


def _block_metadata(block: ObservationBlock, manifest: Manifest) -> dict[str, Any]:
    entry = manifest.task.observations.actor.terms[block.name]
    func = term("observation", entry.func)
    reads = [READABLE[name] for name in inspect.signature(func).parameters if name in READABLE]
    single = reads[0] if len(reads) == 1 else None
    return {
        "name": block.name,
        "start": block.start,
        "size": block.size,
        "history": block.history,
        "scale": entry.scale,
        "clip": None if entry.clip is None else list(entry.clip),
        "unit": single.unit if single else "-",
        "frame": single.frame if single else "-",
        "order": _element_names(block, manifest),
        "params": dict(entry.params),
        "reads": {field.name: f"{field.meaning} [{field.unit}, frame {field.frame}]" for field in reads},
        "meaning": (inspect.getdoc(func) or "").split("\n")[0].split(" Shape (")[0],
    }


def _element_names(block: ObservationBlock, manifest: Manifest) -> list[str]:
    """What each number of one control step belongs to, as the mirror kind of the term tells it."""
    kind = MIRROR[block.func]
    robot = manifest.robot
    if kind == "joints":
        return list(robot.joint_names)
    if kind in ("feet", "feet_pairs"):
        return list(robot.foot_names) * (block.size // len(robot.feet))
    if kind == "planar":
        return ["vx", "vy", "yaw_rate"]
    return ["x", "y", "z"] if kind in ("vector", "axial") else [str(index) for index in range(block.size)]
