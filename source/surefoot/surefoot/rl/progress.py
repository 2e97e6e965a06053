"""What a person sees of a run: a console line an iteration, TensorBoard or W&B scalars."""

import math
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from surefoot.errors import MissingExtra
from surefoot.manifest import Manifest


@dataclass(frozen=True)
class Iteration:
    """Measurements of one PPO iteration."""

    done: int
    until: int
    samples: int
    """Environment steps since the start of the run, over all environments."""
    batch: int
    """Environment steps in this iteration."""
    seconds: float
    physics_seconds: float
    """s in the simulator, NaN where unknown."""
    env_seconds: float
    """s in the environment's step, physics included."""
    learn_seconds: float
    reward_per_second: float
    """Mean reward of all environments, per second of simulated time."""
    losses: dict[str, float]
    learning_rate: float
    action_std: float
    logs: list[dict[str, Any]]
    """What the managers reported in steps with resets."""

    @property
    def policy_seconds(self) -> float:
        """s for actions, values and storage."""
        return self.seconds - self.env_seconds - self.learn_seconds


class Writer(Protocol):
    """Anything with TensorBoard's `add_scalar`."""

    def add_scalar(self, tag: str, value: float, step: int) -> None: ...
    def close(self) -> None: ...


class WandbWriter:
    """Weights & Biases behind TensorBoard's interface; `WANDB_MODE=offline` needs no account."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        try:
            import wandb
        except ImportError:
            from surefoot.engines.base import pip_line

            raise MissingExtra(f"training.logger=wandb needs wandb. Install it: {pip_line('wandb')}") from None
        self._run = wandb.init(
            project="surefoot", name=folder.name, dir=str(folder), config=manifest.to_plain(), resume="allow"
        )
        self._pending: dict[str, float] = {}
        self._step = 0

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        if step != self._step and self._pending:
            self._run.log(self._pending, step=self._step)
            self._pending = {}
        self._step = step
        self._pending[tag] = value

    def close(self) -> None:
        if self._pending:
            self._run.log(self._pending, step=self._step)
        self._run.finish()


def make_writer(folder: Path, manifest: Manifest) -> Writer | None:
    """The logger that the manifest names."""
    kind = manifest.training.logger
    if kind == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(log_dir=str(folder), flush_secs=10)  # pyright: ignore[reportReturnType]
    return WandbWriter(folder, manifest) if kind == "wandb" else None


class Progress:
    """Prints one line an iteration and writes the scalars."""

    def __init__(self, writer: Writer | None, quiet: bool = False) -> None:
        self._writer = writer
        self._quiet = quiet
        self._recent: deque[float] = deque(maxlen=20)
        self._start = time.perf_counter()

    def show(self, it: Iteration) -> None:
        """Report one iteration."""
        self._recent.append(it.seconds)
        scalars = self._scalars(it)
        if self._writer is not None:
            for tag, value in scalars.items():
                self._writer.add_scalar(tag, value, it.done)
        if not self._quiet:
            print(self._line(it, scalars), flush=True, file=sys.stdout)

    def close(self) -> None:
        """Flush the writer."""
        if self._writer is not None:
            self._writer.close()

    def _line(self, it: Iteration, scalars: dict[str, float]) -> str:
        eta = (it.until - it.done) * sum(self._recent) / len(self._recent)
        length = scalars.get("Train/episode_length_s", math.nan)
        ends = "  ".join(
            f"{tag.removeprefix('Termination/')} {value:.0%}"
            for tag, value in scalars.items()
            if tag.startswith("Termination/") and value > 0
        )
        shares = _shares(it)
        return (
            f"{it.done:>5}/{it.until}  {it.batch / it.seconds:>6.0f} samples/s ({shares})  "
            f"reward {it.reward_per_second:+.2f}/s  episode {length:4.1f} s  std {it.action_std:.2f}  "
            f"lr {it.learning_rate:.1e}  [{ends}]  ETA {_clock(eta)}"
        )

    @staticmethod
    def _scalars(it: Iteration) -> dict[str, float]:
        out = {
            "Train/reward_per_s": it.reward_per_second,
            "Train/samples": float(it.samples),
            "Loss/learning_rate": it.learning_rate,
            "Policy/action_std": it.action_std,
            "Perf/samples_per_s": it.batch / it.seconds,
            "Perf/env_s": it.env_seconds,
            "Perf/learn_s": it.learn_seconds,
            "Perf/policy_s": it.policy_seconds,
        }
        if not math.isnan(it.physics_seconds):
            out["Perf/physics_s"] = it.physics_seconds
        out |= {f"Loss/{name}": value for name, value in it.losses.items()}
        return out | _episode_scalars(it.logs)


def _episode_scalars(logs: list[dict[str, Any]]) -> dict[str, float]:
    """Means over the episodes that ended in an iteration: each ended episode counts once."""
    counts = [float(log.get("episodes", 0)) for log in logs]
    total = sum(counts)
    if total == 0:
        return {}
    sums: dict[str, float] = {}
    for log, count in zip(logs, counts, strict=True):
        for key, value in log.items():
            number = float(value.item() if isinstance(value, torch.Tensor) else value)
            if key.startswith("Episode_Termination/"):
                tag, amount = "Termination/" + key.split("/", 1)[1], number
            elif key.startswith("Episode_Reward/"):
                tag, amount = "Reward/" + key.split("/", 1)[1], number * count
            elif key == "episode_length_s":
                tag, amount = "Train/episode_length_s", number * count
            else:
                continue
            sums[tag] = sums.get(tag, 0.0) + amount
    return {tag: value / total for tag, value in sums.items()} | {"Train/episodes": total}


def _shares(it: Iteration) -> str:
    parts = {"policy": it.policy_seconds, "learning": it.learn_seconds}
    if math.isnan(it.physics_seconds):
        parts = {"env": it.env_seconds} | parts
    else:
        parts = {"physics": it.physics_seconds, "env": it.env_seconds - it.physics_seconds} | parts
    return " ".join(f"{name} {value / it.seconds:.0%}" for name, value in parts.items())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
