"""What the accounts read of a manager-based environment that is not ours, through names that mjlab and Isaac Lab share.

Nothing of a simulator is imported: the environment is anything with `reward_manager`, `termination_manager` and so on.
Both order their step alike: terminations, rewards, resets, commands, observations. `ManagerReader.read` belongs right
after the rewards, when the terminal state, its command and its episode length are still there.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.step import AuditLayout, AuditStep
from surefoot.audit.value_buckets import BucketSource
from surefoot.errors import EngineError, did_you_mean

COMMAND_NAMES = ("twist", "base_velocity")
"""What mjlab and Isaac Lab call the velocity command of their locomotion tasks."""
ROBOT = "robot"
"""What both call the robot in the scene."""
FAULTS = ("state", "action", "reward")
"""Of `surefoot.audit.accounts.fault_kinds`, those that can be told from outside; `state` needs a robot."""


class WatchedTerm:
    """A reward term that notes where its value is not finite, before the manager may turn it into 0.

    Args:
        func: The term; everything but calls goes to it unchanged.
        probe: 0 times every value is added to it, which is NaN where a value is not finite. Shape (num_envs,).
    """

    def __init__(self, func: Callable[..., Tensor], probe: Tensor) -> None:
        self.func = func
        self._probe = probe

    def __call__(self, *args: Any, **params: Any) -> Tensor:
        value = self.func(*args, **params)
        if value.shape == self._probe.shape:
            self._probe.add_(value, alpha=0)
        return value

    def __getattr__(self, name: str) -> Any:
        if name in ("func", "_probe"):  # not there yet: copy and pickle ask before __init__ has run
            raise AttributeError(name)
        return getattr(self.func, name)


class ManagerReader:
    """Turns the managers' buffers into an `AuditStep`.

    Args:
        env: With `reward_manager`, `termination_manager`, `command_manager`, `action_manager`, `scene`.
        command: Name of the velocity command (vx, vy, yaw rate in the base frame); None takes the first of
            `COMMAND_NAMES` that exists. Without one velocity errors and successes are NaN.
        robot: Name of the robot in the scene; None takes `ROBOT` where it exists. Without one velocities are NaN and
            no state is looked at.
        moving_threshold: A command longer than this asks for motion.
        action_clip: See `AuditLayout`.
        bucket: Bucket id of each environment, read again in every step. Shape (num_envs,), int64.
        bucket_labels: One for each id.
        source: Where buckets come from in place of `bucket`.

    Attributes:
        layout: Names of the axes.
        notes: Sentences about what cannot be known of this environment.
    """

    def __init__(
        self,
        env: Any,
        *,
        command: str | None,
        robot: str | None,
        moving_threshold: float,
        action_clip: float | None,
        bucket: Tensor | None,
        bucket_labels: Sequence[str],
        source: BucketSource | None = None,
    ) -> None:
        self._env = env
        self._command = _command_name(env, command)
        self._robot = _robot(env, robot)
        data = vars(self._robot.data) if self._robot is not None else {}
        # Asked of their class: Isaac Lab's arrays answer for whatever attribute they are asked for, with a warning.
        self._lazy = [value for value in data.values() if hasattr(type(value), "timestamp")]
        self.notes = _unknown(env, self._command, self._robot)
        self._moving_threshold = moving_threshold
        self._source = source
        if source is not None:
            bucket, bucket_labels = source.ids, source.labels
        self._bucket = _checked_bucket(env, bucket, bucket_labels)
        self._probe = torch.zeros(env.num_envs, device=env.device)
        terminations = env.termination_manager
        causes = tuple(terminations.active_terms)
        self.layout = AuditLayout(
            reward_terms=tuple(env.reward_manager.active_terms),
            causes=causes,
            cause_is_time_out=tuple(bool(terminations.get_term_cfg(name).time_out) for name in causes),
            fault_kinds=FAULTS if self._robot is not None else FAULTS[1:],
            bucket_labels=tuple(bucket_labels),
            num_envs=env.num_envs,
            step_dt=float(env.step_dt),
            max_episode_steps=int(env.max_episode_length),
            num_actions=int(env.action_manager.total_action_dim),
            action_clip=action_clip,
            fixed_buckets=source.fixed if source is not None else False,
            factors=tuple(source.values) if source is not None else (),
            terrain_classes=source.terrain_classes if source is not None else (),
            follows_velocity=self._command is not None and self._robot is not None,
        )

    def watch(self) -> None:
        """From now on notice reward terms that are not finite."""
        for cfg in self._term_cfgs():
            cfg.func = WatchedTerm(cfg.func, self._probe)

    def unwatch(self) -> None:
        """Give the manager its terms back."""
        for cfg in self._term_cfgs():
            if isinstance(cfg.func, WatchedTerm):
                cfg.func = cfg.func.func

    def _term_cfgs(self) -> list[Any]:
        rewards = self._env.reward_manager
        return [rewards.get_term_cfg(name) for name in self.layout.reward_terms]

    def before_rewards(self) -> None:
        """Begin a step."""
        self._probe.zero_()
        if self._source is not None:
            self._source.refresh()

    def read(self, reward: Tensor) -> AuditStep:
        """The step whose rewards have just been computed. Nothing is read on the host.

        Args:
            reward: What the manager returned. Shape (num_envs,).
        """
        stamps = [buffer.timestamp for buffer in self._lazy]
        step = self._read(reward)
        # Isaac Lab computes most fields of the robot when they are first read, and not again for what a reset writes:
        # the next reader, after the resets, must find them as if they had not been read here.
        for buffer, stamp in zip(self._lazy, stamps, strict=True):
            buffer.timestamp = stamp
        return step

    def _read(self, reward: Tensor) -> AuditStep:
        env, layout = self._env, self.layout
        rates: Tensor = env.reward_manager._step_reward
        if not getattr(env.reward_manager, "_scale_by_dt", True):
            rates = rates / layout.step_dt  # the manager's sum has no control step in it; the accounts' has
        terminations = env.termination_manager
        terminated: Tensor = terminations.terminated
        action: Tensor = env.action_manager.action
        velocity, yaw_rate = self._velocity(reward)
        command = self._commanded(reward)
        error = command - torch.cat((velocity, yaw_rate.unsqueeze(1)), dim=1)
        broken = [] if self._robot is None else [self._state_sum(self._robot)]
        no_causes = torch.zeros(layout.num_envs, 0, dtype=torch.bool, device=rates.device)
        causes = [terminations.get_term(name) for name in layout.causes]
        return AuditStep(
            rates=rates,
            reward=reward,
            causes=torch.stack(causes, dim=1) if causes else no_causes,
            terminated=terminated,
            truncated=terminations.time_outs & ~terminated,
            fault=~torch.isfinite(torch.stack((*broken, action.sum(dim=1), self._probe + reward), dim=1)),
            bucket=self._bucket,
            episode_steps=env.episode_length_buf,
            lin_vel_error=torch.hypot(error[:, 0], error[:, 1]),
            yaw_rate_error=error[:, 2].abs(),
            is_moving=command.square().sum(dim=1) > self._moving_threshold**2 if self._command else _no_motion(action),
            lin_speed=torch.hypot(velocity[:, 0], velocity[:, 1]),
            action=action,
        )

    def _velocity(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Horizontal velocity, m/s, base yaw frame, and yaw rate, rad/s; NaN without a robot. Shapes (N, 2), (N,)."""
        if self._robot is None:
            unknown = torch.full((len(like), 3), torch.nan, device=like.device)
            return unknown[:, :2], unknown[:, 2]
        data = self._robot.data
        heading = _tensor(data.heading_w)
        cos, sin = torch.cos(heading), torch.sin(heading)
        x, y, _ = _tensor(data.root_link_lin_vel_w).unbind(dim=1)
        return torch.stack((cos * x + sin * y, cos * y - sin * x), dim=1), _tensor(data.root_link_ang_vel_w)[:, 2]

    def _commanded(self, like: Tensor) -> Tensor:
        """Commanded vx, vy, yaw rate; NaN without a command. Shape (N, 3)."""
        if self._command is None:
            return torch.full((len(like), 3), torch.nan, device=like.device)
        return self._env.command_manager.get_command(self._command)[:, :3]

    @staticmethod
    def _state_sum(robot: Any) -> Tensor:
        """Not finite where a position or velocity is not. Shape (N,)."""
        names = ("root_link_pose_w", "root_link_vel_w", "joint_pos", "joint_vel")  # a rigid object has no joints
        parts = [getattr(robot.data, name) for name in names if hasattr(robot.data, name)]
        return torch.stack([_tensor(part).sum(dim=1) for part in parts]).sum(dim=0)


def _tensor(value: Any) -> Tensor:
    """Isaac Lab 3.0 hands out arrays that hold a tensor."""
    return value if isinstance(value, Tensor) else value.torch


def _no_motion(like: Tensor) -> Tensor:
    """False for every environment of `like`, shape (N, ...)."""
    return torch.zeros(like.shape[0], dtype=torch.bool, device=like.device)


def _command_name(env: Any, wanted: str | None) -> str | None:
    known: list[str] = list(env.command_manager.active_terms)
    if wanted is None:
        return next((name for name in COMMAND_NAMES if name in known), None)
    if wanted not in known:
        raise EngineError(f"The environment has no command {wanted!r}. {did_you_mean(wanted, known)}")
    return wanted


def _robot(env: Any, wanted: str | None) -> Any:
    known = _scene_names(env)
    if wanted is None:
        return env.scene[ROBOT] if ROBOT in known else None
    if wanted not in known:
        raise EngineError(f"The scene has no {wanted!r}. {did_you_mean(wanted, known)}")
    found = env.scene[wanted]
    data = getattr(found, "data", None)  # asked of its class: reading a field would compute it
    if not (hasattr(type(data), "root_link_lin_vel_w") or "root_link_lin_vel_w" in getattr(data, "__dict__", {})):
        raise EngineError(f"{wanted!r} of the scene is a {type(found).__name__}, which has no velocity of a root link.")
    return found


def _scene_names(env: Any) -> list[str]:
    return list(env.scene.keys() if hasattr(env.scene, "keys") else env.scene.entities)  # Isaac Lab, mjlab


def _unknown(env: Any, command: str | None, robot: Any) -> tuple[str, ...]:
    """What is NaN in this environment, a sentence for each reason."""
    notes: list[str] = []
    if robot is None:
        names = ", ".join(_scene_names(env)) or "nothing"
        notes.append(
            f"The scene has no {ROBOT!r}, so its velocity and its faults of state are not known: choose one with "
            f"robot= (the scene has {names})."
        )
    if command is None:
        names = ", ".join(env.command_manager.active_terms) or "none"
        notes.append(
            f"The task has no velocity command ({' or '.join(COMMAND_NAMES)}; its commands: {names}), so velocity "
            "errors, successes and their correlations are NaN: name a command of vx, vy and yaw rate with command=."
        )
    return tuple(notes)


def _checked_bucket(env: Any, bucket: Tensor | None, labels: Sequence[str]) -> Tensor:
    if bucket is None:
        if len(labels) != 1:
            raise EngineError(f"{len(labels)} bucket labels without bucket ids; pass bucket=, one id per environment.")
        return torch.zeros(env.num_envs, dtype=torch.int64, device=env.device)
    if bucket.shape != (env.num_envs,) or bucket.dtype != torch.int64:
        raise EngineError(
            f"bucket: expected ids of shape ({env.num_envs},) and type int64, "
            f"got shape {tuple(bucket.shape)} and {bucket.dtype}."
        )
    if torch.device(bucket.device).type != torch.device(env.device).type:
        raise EngineError(f"bucket: expected a tensor on {env.device}, where the environment is, got {bucket.device}.")
    low, high = int(bucket.min()), int(bucket.max())
    if low < 0 or high >= len(labels):
        raise EngineError(f"bucket: expected ids from 0 to {len(labels) - 1}, one label each, got {low} to {high}.")
    return bucket
