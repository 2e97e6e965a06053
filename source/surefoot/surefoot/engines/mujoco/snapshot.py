"""The whole state of an environment on the CPU, for an exact resume.

The physics state is MuJoCo's integration state, in double precision. Everything that mjlab's managers and surefoot keep
beside it (timers, buffers, last actions, histories) is found by walking through them, so that a new buffer is saved
without anybody having to remember it.
"""

import hashlib
import json
from collections import deque
from typing import Any, cast

import torch

from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.errors import CheckpointError
from surefoot.manifest.manifest import Manifest

_SKIP = {
    "_env", "env", "sim", "scene", "cfg", "manifest", "_term_cfgs", "_class_term_cfgs", "_cache", "_cached_data",
    "_cache_valid", "_views", "grid", "streams", "_streams", "_constants", "_binding", "_data_bridge", "indexing",
    "imu_offset", "_gravity",
}  # fmt: skip
_PACKAGES = ("mjlab.", "surefoot.")
_STATELESS = (
    "mjlab.sim.",
    "surefoot.engines.mujoco.bridge",
    "surefoot.engines.mujoco.model_bridge",
    "surefoot.manifest.",
)
"""Views of the physics state, which is saved as a whole, and the manifest."""
_ROOTS = (
    "action_manager", "buckets", "command_manager", "commands", "event_manager", "observation_manager", "pushes",
    "reward_manager", "robot_state", "termination_manager", "terrain_levels",
)  # fmt: skip
_NUMBERS = {"_pointer", "held"}
"""Plain numbers that change while an environment runs; the others are configuration."""
_KINDS = {"experiment": str, "physics": torch.Tensor, "model": dict, "streams": dict, "tensors": dict, "numbers": dict}
"""Entries of a state."""
_COUNTERS = ("common_step_counter", "_sim_step_counter", "samples")


def take(env: MujocoEnv) -> dict[str, Any]:
    """Copy the state; the result holds tensors and numbers only."""
    sim = cast("BatchSimulation", env.sim)
    return {
        "experiment": _experiment(env.manifest),
        "physics": torch.from_numpy(sim.state.copy()),
        "model": {name: torch.from_numpy(view.copy()) for name, view in sim.expanded_views.items()},
        "streams": env.streams.state_dict(),
        "tensors": {path: tensor.clone() for path, tensor in _tensors(env).items()},
        "numbers": {path: getattr(owner, name) for path, (owner, name) in _numbers(env).items()},
    }


def restore(env: MujocoEnv, state: dict[str, Any]) -> None:
    """Write a state taken from an environment with the same manifest.

    Raises:
        CheckpointError: The state belongs to another number of environments or another task, or is damaged; nothing was
            changed.
    """
    if problem := _damage(state):
        raise CheckpointError(f"The environment state is damaged: {problem}.")
    if state["experiment"] not in (_experiment(env.manifest), _experiment(env.manifest, spelled_out=True)):
        raise CheckpointError(
            "The environment state was saved under another manifest (robot, simulation, task, randomization or seed)."
        )
    sim = cast("BatchSimulation", env.sim)
    tensors, numbers = _tensors(env), _numbers(env)
    physics = torch.from_numpy(sim.state)
    model = {name: torch.from_numpy(view) for name, view in sim.expanded_views.items()}
    wrong = _misfits({"physics": state["physics"]}, {"physics": physics}) + _misfits(state["tensors"], tensors)
    wrong += _misfits(state["model"], model, "model.")
    wrong += _misfits(state["streams"], env.streams.state_dict(), "streams.")
    wrong += [f"{path}: absent" for path in numbers if path not in state["numbers"]]
    if wrong:
        raise CheckpointError("The environment state does not fit: " + "; ".join(wrong[:3]))
    sim.load_model_fields({name: state["model"][name].numpy() for name in model})
    sim.batch.forward()  # writes still pending here belong to the state that is replaced
    physics.copy_(state["physics"])
    sim.batch.forward()
    physics.copy_(state["physics"])  # the forward pass changed the solver's warm start
    saved: dict[str, torch.Tensor] = state["tensors"]
    with torch.inference_mode():  # some buffers were made in a rollout and may be written only so
        for path, tensor in tensors.items():
            tensor.copy_(saved[path])
    for path, (owner, name) in numbers.items():
        setattr(owner, name, state["numbers"][path])
    env.streams.load_state_dict(state["streams"])
    for sensor in env.scene.sensors.values():
        sensor.reset(torch.zeros(0, dtype=torch.long))
    env.robot_state.invalidate()


_LARGEST = 2**53
"""Counters are whole numbers, also where a double holds them."""


def _damage(state: Any) -> str:
    """What is absent or of another type than `take` gives; empty where nothing is."""
    if not isinstance(state, dict):
        return f"expected a dict, got {type(state).__name__}"
    for key, kind in _KINDS.items():
        if not isinstance(state.get(key), kind):
            got = type(state[key]).__name__ if key in state else "nothing"
            return f"expected {key!r} of type {kind.__name__}, got {got}"
    for key, kinds in (
        ("model", torch.Tensor),
        ("streams", torch.Tensor),
        ("tensors", torch.Tensor),
        ("numbers", (int, float)),
    ):
        for path, value in state[key].items():
            if not isinstance(path, str) or not isinstance(value, kinds):
                return f"{key}, {path!s:.100}: got {type(value).__name__}"
            if isinstance(value, int | float) and not abs(value) <= _LARGEST:
                return f"{key}, {path:.100}: not finite, or too large"
    return ""


def _experiment(manifest: Manifest, spelled_out: bool = False) -> str:
    """Hash of what the environment depends on; how it is trained and watched may change between two runs.

    Args:
        manifest: The experiment.
        spelled_out: With an extension that is none, as some states have it; those of before know no extension.
    """
    parts = {key: value for key, value in manifest.to_plain().items() if key not in ("audit", "ppo", "training")}
    if manifest.extension is None and not spelled_out:
        del parts["extension"]
    if manifest.robot.motors == "implicit_pd":  # states of before there was another kind hold
        del parts["robot"]["motors"]
        for joint in parts["robot"]["joints"]:
            del joint["saturation_effort"]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _misfits(saved: dict[str, torch.Tensor], here: dict[str, torch.Tensor], prefix: str = "") -> list[str]:
    return [
        f"{prefix}{path}: {_layout(saved[path]) if path in saved else 'absent'} saved, {_layout(tensor)} here"
        for path, tensor in here.items()
        if path not in saved or _layout(saved[path]) != _layout(tensor)
    ]


def _layout(tensor: torch.Tensor) -> str:
    # A copy between types is silent.
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{tuple(tensor.shape)} {kind}"


def _keeps_state(value: Any) -> bool:
    module = type(value).__module__
    return module.startswith(_PACKAGES) and not module.startswith(_STATELESS) and hasattr(value, "__dict__")


def _roots(env: MujocoEnv) -> dict[str, Any]:
    roots: dict[str, Any] = {name: getattr(env, name) for name in _ROOTS}
    robot = env.scene["robot"]
    roots["robot_data"] = robot.data
    roots["actuators"] = [vars(robot).get(name) for name in vars(robot) if "actuator" in name]
    roots["sensors"] = dict(env.scene.sensors)
    roots["buffers"] = {"episode_length": env.episode_length_buf}
    return roots


def _tensors(env: MujocoEnv) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    numbers: dict[str, tuple[Any, str]] = {}
    _walk(_roots(env), "", {id(env)}, found, numbers, cast("BatchSimulation", env.sim).owns_memory)
    return found


def _numbers(env: MujocoEnv) -> dict[str, tuple[Any, str]]:
    numbers: dict[str, tuple[Any, str]] = {}
    _walk(_roots(env), "", {id(env)}, {}, numbers, cast("BatchSimulation", env.sim).owns_memory)
    return numbers | {name: (env, name) for name in _COUNTERS}


def _walk(
    value: Any, path: str, seen: set[int], tensors: dict[str, torch.Tensor], numbers: dict[str, Any], skip: Any
) -> None:
    if isinstance(value, torch.Tensor):
        if id(value) not in seen and not skip(value):
            seen.add(id(value))
            tensors[path] = value
        return
    if id(value) in seen:
        return
    if isinstance(value, dict):
        seen.add(id(value))
        for key, item in cast("dict[Any, Any]", value).items():
            _walk(item, f"{path}/{key}", seen, tensors, numbers, skip)
    elif isinstance(value, (list, tuple, deque)):
        seen.add(id(value))
        for index, item in enumerate(cast("list[Any]", value)):
            _walk(item, f"{path}/{index}", seen, tensors, numbers, skip)
    elif _keeps_state(value):
        seen.add(id(value))
        for name, item in vars(value).items():
            if name in _SKIP:
                continue
            if isinstance(item, (int, float)):
                if name in _NUMBERS:
                    numbers[f"{path}/{name}"] = (value, name)
            else:
                _walk(item, f"{path}/{name}", seen, tensors, numbers, skip)
