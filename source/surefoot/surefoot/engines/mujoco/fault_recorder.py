"""What a fault can be replayed from: the state before the step in which it happened, and the action."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.errors import EngineError

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv


class FaultRecorder:
    """Keeps the first faults since `clear`, without waiting for the device.

    Buffers of delays and of stacked observations are not kept: a replay starts with them empty.

    Args:
        env: Watched.
        keep: Faults that are kept.
    """

    def __init__(self, env: "MujocoEnv", keep: int = 16) -> None:
        self._env = env
        self._keep = keep
        self._count = torch.zeros((), dtype=torch.long, device=env.device)
        self._before: dict[str, Tensor] = {}
        self._kept: dict[str, Tensor] = {}

    def clear(self) -> None:
        """Forget what was kept."""
        self._count.zero_()

    def before_step(self, action: Tensor) -> None:
        """Copy what the step depends on."""
        now = {name: tensor for name, tensor in _state(self._env).items()} | {"action": action}
        if not self._before:
            self._before = {name: tensor.clone() for name, tensor in now.items()}
        else:
            for name, tensor in now.items():
                self._before[name].copy_(tensor)

    def after_step(self, found: Tensor) -> None:
        """Keep the environments with a fault. Shape (num_envs, num_kinds), bool."""
        fault = found.any(dim=1)
        if fault.device.type == "cpu" and not fault.any():
            return
        rows = {name: tensor for name, tensor in self._before.items()} | {
            "found": found,
            "env_id": torch.arange(len(found), device=found.device),
        }
        if not self._kept:  # one row more than is kept: what is not wanted goes there
            self._kept = {name: tensor.new_zeros(self._keep + 1, *tensor.shape[1:]) for name, tensor in rows.items()}
        slot = self._count + fault.cumsum(dim=0) - 1
        slot = torch.where(fault & (slot < self._keep), slot, self._keep)
        for name, tensor in rows.items():
            self._kept[name][slot] = tensor
        self._count += fault.sum()

    def saved(self) -> dict[str, Tensor]:
        """What was kept, on the CPU: tensors by name, one row a fault; empty without a fault."""
        count = min(int(self._count), self._keep)
        return {name: tensor[:count].cpu().clone() for name, tensor in self._kept.items()} if count else {}


def load_faults(env: "MujocoEnv", saved: dict[str, Tensor]) -> None:
    """Put environment i into the state before fault i; the next `step(saved["action"])` repeats the faults.

    Raises:
        EngineError: The environment has another number of robots, or another engine or device wrote the file.
    """
    count = len(saved["action"])
    if env.num_envs != count:
        raise EngineError(f"Expected {count} environments, one for each fault, got {env.num_envs}.")
    factors = {f"factor/{name}": tensor for name, tensor in env.buckets.values.items()}
    here = _state(env)
    missing = [name for name, own in (factors | here).items() if not _fits(saved.get(name), own)]
    if missing:
        raise EngineError(f"The faults were recorded with another engine, device or task: {missing[0]} does not fit.")
    for name, tensor in factors.items():
        tensor.copy_(saved[name])
    env.factors.apply(torch.arange(count, device=env.device))
    here = _state(env)
    if isinstance(env.sim, BatchSimulation):
        env.sim.batch.forward()  # writes still pending here belong to the state that is replaced
    for name, tensor in here.items():
        if name not in _WRITTEN:
            tensor.copy_(saved[name])
    env.sim.forward()
    for name in ("physics", "qacc_warmstart"):  # the forward pass changed the solver's warm start
        if name in here:
            here[name].copy_(saved[name])
    for name in _WRITTEN:  # last: on the CPU a write is seen as a difference from what the physics left
        here[name].copy_(saved[name])
    env.robot_state.invalidate()


_WRITTEN = ("qpos", "qvel")


def _fits(saved: Any, own: Tensor) -> bool:
    return isinstance(saved, Tensor) and saved.shape == own.shape and saved.dtype == own.dtype


def _state(env: "MujocoEnv") -> dict[str, Tensor]:
    """Tensors that may be written to in place."""
    data = env.sim.data
    physics = {"qpos": data.qpos[:], "qvel": data.qvel[:]}
    if isinstance(env.sim, BatchSimulation):  # double precision; what was written since is in the views only
        physics = {"physics": torch.from_numpy(env.sim.state)} | physics
    else:
        physics["qacc_warmstart"] = data.qacc_warmstart[:]
    actions = env.action_manager
    return (
        physics
        | {
            "command": env.commands.buffer,
            "action_1": actions.action,
            "action_2": actions.prev_action,
            "gait_phase": env.robot_state.gait.phase,
            "episode_step": env.episode_length_buf,
            "bucket": env.buckets.ids,
        }
        | {f"factor/{name}": tensor for name, tensor in env.buckets.values.items()}
    )
