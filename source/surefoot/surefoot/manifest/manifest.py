"""The manifest: one frozen, hashed document that is the experiment."""

import hashlib
import json
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from surefoot.errors import did_you_mean
from surefoot.manifest.base import Ordered, Section
from surefoot.manifest.learning import Ppo, Randomization, Training
from surefoot.manifest.robot import Robot
from surefoot.manifest.task import Simulation, Task

SCHEMA_VERSION = 1
MAX_ENVS = 1_000_000


class Manifest(Section):
    """What is simulated, rewarded, terminated, randomised, reset and learned."""

    schema_version: Literal[1]
    name: str
    """Task name, as `--task` takes it."""
    seed: int = Field(ge=0, le=2**31 - 1)
    robot: Robot
    simulation: Simulation
    task: Task
    randomization: Randomization
    ppo: Ppo
    training: Training

    @model_validator(mode="after")
    def _check_across_sections(self) -> Self:
        if self.simulation.contact_model not in self.robot.contact_models:
            raise ValueError(
                f"simulation.contact_model: {self.simulation.contact_model!r} is not a contact model of robot "
                f"{self.robot.name!r}. {did_you_mean(self.simulation.contact_model, self.robot.contact_models)}"
            )
        if len(self.task.gait.foot_phase) != len(self.robot.feet):
            raise ValueError(
                f"task.gait.foot_phase: expected one phase for each of the {len(self.robot.feet)} feet, "
                f"got {len(self.task.gait.foot_phase)}"
            )
        if self.training.num_envs > MAX_ENVS:
            raise ValueError(f"training.num_envs: expected at most {MAX_ENVS}, got {self.training.num_envs}")
        batch = self.training.num_envs * self.ppo.num_steps_per_env
        if batch < self.ppo.num_mini_batches:
            raise ValueError(
                f"ppo.num_mini_batches: {batch} samples per iteration (num_envs * num_steps_per_env) cannot be cut "
                f"into {self.ppo.num_mini_batches} mini-batches"
            )
        if not any(term.kind == "time_out" for term in self.task.terminations.values()):
            raise ValueError("task.terminations: expected at least one term of kind time_out")
        return self

    @property
    def canonical_json(self) -> str:
        """One text per experiment: keys sorted, no spaces, ordered mappings as lists of pairs."""
        return json.dumps(_canonical(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json.encode()).hexdigest()

    def to_plain(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, in the order of the schema; for YAML and diffs."""
        return self.model_dump(mode="json")


def _canonical(value: Any) -> Any:
    if isinstance(value, BaseModel):
        out: dict[str, Any] = {}
        for name, field in type(value).model_fields.items():
            item = getattr(value, name)
            if any(isinstance(mark, Ordered) for mark in field.metadata):
                out[name] = [[key, _canonical(entry)] for key, entry in item.items()]
            else:
                out[name] = _canonical(item)
        return out
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
