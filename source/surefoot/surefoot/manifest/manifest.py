"""The manifest: one frozen, hashed document that is the experiment."""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from surefoot.errors import did_you_mean
from surefoot.manifest.audit import Audit
from surefoot.manifest.base import KeyedError, Name, OmittedByDefault, Ordered, Section
from surefoot.manifest.extension import Extension
from surefoot.manifest.lab import LabRecord
from surefoot.manifest.learning import Ppo, Training
from surefoot.manifest.promotion import Promotion
from surefoot.manifest.randomization import Randomization
from surefoot.manifest.robot import Robot
from surefoot.manifest.schedule import Schedule
from surefoot.manifest.task import Simulation, Task
from surefoot.manifest.terrain_classes import TERRAIN_CLASS

SCHEMA_VERSION = 1
MAX_ENVS = 1_000_000


class Manifest(Section):
    """What is simulated, rewarded, terminated, randomised, reset and learned."""

    schema_version: Literal[1]
    name: Name
    """Task name, as `--task` takes it."""
    seed: int = Field(ge=0, le=2**31 - 1)
    """Of every random stream."""
    robot: Robot
    simulation: Simulation
    task: Task
    randomization: Randomization
    ppo: Ppo
    training: Training
    audit: Audit
    schedule: Annotated[Schedule, OmittedByDefault()] = Schedule()
    promotion: Annotated[Promotion, OmittedByDefault()] = Promotion()
    extension: Annotated[Extension | None, OmittedByDefault()] = None
    """What Python code added to the task in Isaac Lab; written there, never by hand."""
    labs: Annotated[dict[Name, LabRecord], OmittedByDefault()] = Field(default={})
    """Installed labs that bring the robot's model or one of the terms; written when the manifest is composed."""

    @model_validator(mode="after")
    def _check_across_sections(self) -> Self:
        robot, task, training = self.robot, self.task, self.training
        chosen = self.simulation.contact_model
        if chosen not in robot.contact_models:
            raise KeyedError(
                "simulation.contact_model",
                f"{chosen!r} is not a contact model of robot {robot.name!r}. "
                f"{did_you_mean(chosen, robot.contact_models)}",
            )
        if len(task.gait.foot_phase) != len(robot.feet):
            raise KeyedError(
                "task.gait.foot_phase",
                f"expected one phase for each of the {len(robot.feet)} feet, got {len(task.gait.foot_phase)}",
            )
        if task.episode_length < self.simulation.step_dt:
            raise KeyedError(
                "task.episode_length",
                f"expected at least one control step of {self.simulation.step_dt:g} s, got {task.episode_length:g} s",
            )
        if not any(term.kind == "time_out" for term in task.terminations.values()):
            raise KeyedError("task.terminations", "expected at least one term of kind time_out")
        if training.num_envs > MAX_ENVS:
            raise KeyedError("training.num_envs", f"expected at most {MAX_ENVS}, got {training.num_envs}")
        self._check_noise()
        self._check_terrain()
        self._check_learning()
        for term in self.audit.reward.expected_sign:
            if term not in task.rewards:
                raise KeyedError(
                    f"audit.reward.expected_sign.{term}",
                    f"no reward term of the task. {did_you_mean(term, task.rewards)}",
                )
        return self

    def _check_noise(self) -> None:
        groups = (self.task.observations.actor, self.task.observations.critic)
        noisy = any(term.noise > 0 for group in groups for term in group.terms.values())
        if "noise_level" in self.randomization.factors and not noisy:
            raise KeyedError("randomization.factors.noise_level", "has nothing to scale: no observation has noise")

    def _check_terrain(self) -> None:
        generator, reach = self.task.terrain.generator, max(map(abs, self.task.resets.position_xy))
        if generator is None and TERRAIN_CLASS in self.randomization.bucket_by:
            raise KeyedError("randomization.bucket_by", f"{TERRAIN_CLASS!r} needs task.terrain.kind=generator")
        if generator is not None and reach > 0.5 * generator.platform:
            raise KeyedError(
                "task.resets.position_xy",
                f"expected within half a platform, {0.5 * generator.platform:g} m, got {reach:g} m",
            )

    def _check_learning(self) -> None:
        ppo = self.ppo
        batch = self.training.num_envs * ppo.num_steps_per_env
        if batch < ppo.num_mini_batches:
            raise KeyedError(
                "ppo.num_mini_batches",
                f"{batch} samples per iteration (num_envs * num_steps_per_env) cannot be cut into "
                f"{ppo.num_mini_batches} mini-batches",
            )
        if batch // ppo.num_mini_batches < 2:
            raise KeyedError(
                "ppo.num_mini_batches",
                f"{batch} samples per iteration in {ppo.num_mini_batches} mini-batches leave one sample in each, whose "
                "advantage cannot be normalised; expected at least 2. Use fewer mini-batches or more environments",
            )
        if ppo.learning_rate > ppo.max_learning_rate:
            raise KeyedError(
                "ppo.learning_rate",
                f"expected at most ppo.max_learning_rate {ppo.max_learning_rate:g}, got {ppo.learning_rate:g}",
            )
        for name, network in (("actor", ppo.actor), ("critic", ppo.critic)):
            if ppo.symmetry == "equivariant" and any(dim % 2 for dim in network.hidden_dims):
                raise KeyedError(
                    f"ppo.{name}.hidden_dims",
                    f"expected even numbers for ppo.symmetry=equivariant (two mirrored halves), "
                    f"got {list(network.hidden_dims)}",
                )

    @property
    def has_kicks(self) -> bool:
        """Whether any episode lasts until its first kick; the countdown starts anew with each."""
        push = self.randomization.push
        return (push.lin_vel_xy > 0 or push.ang_vel_z > 0) and push.interval[0] < self.task.episode_length

    @property
    def canonical_json(self) -> str:
        """One text per experiment: keys sorted, no spaces, ordered mappings as lists of pairs."""
        return json.dumps(canonical_data(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json.encode()).hexdigest()

    def to_plain(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, in the order of the schema; for YAML and diffs."""
        return self.model_dump(mode="json")


def canonical_data(value: Any) -> Any:
    """Plain data with ordered mappings as lists of pairs, so that sorting keys keeps their order."""
    if isinstance(value, BaseModel):
        out: dict[str, Any] = {}
        for name, field in type(value).model_fields.items():
            item = getattr(value, name)
            if any(isinstance(mark, OmittedByDefault) for mark in field.metadata) and item == field.default:
                continue
            if any(isinstance(mark, Ordered) for mark in field.metadata):
                out[name] = [[key, canonical_data(entry)] for key, entry in item.items()]
            else:
                out[name] = canonical_data(item)
        return out
    if isinstance(value, dict):
        return {str(key): canonical_data(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [canonical_data(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
