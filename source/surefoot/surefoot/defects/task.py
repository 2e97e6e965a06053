"""Defects of rewards, ends, commands and starts."""

import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from surefoot.defects import patches
from surefoot.defects.registry import defect

if TYPE_CHECKING:
    from surefoot.rl.runner import TrainRunner

# Rewards.


@defect("reward", "track_lin_vel_xy")
def reward_times_dt_twice(runner: "TrainRunner") -> None:
    """One term is multiplied by the control step once more."""
    patches.term(runner.env.env, "track_lin_vel_xy", lambda value: value * runner.env.env.step_dt)  # pyright: ignore


@defect("reward", "track_ang_vel_z", "muPRL")
def reward_weight_zero(runner: "TrainRunner") -> None:
    """One term has weight 0."""
    runner.env.env.reward_manager.get_term_cfg("track_ang_vel_z").weight = 0.0  # pyright: ignore


@defect("reward", "track_ang_vel_z", overrides=("task.rewards.track_ang_vel_z.weight=0.0",))
def reward_weight_zero_in_the_manifest(runner: "TrainRunner") -> None:
    """One term has weight 0, and the manifest says so."""


@defect("reward", "gait")
def reward_returns_zero(runner: "TrainRunner") -> None:
    """A term's function returns 0."""
    patches.term(runner.env.env, "gait", torch.zeros_like)


@defect("reward", "torques")
def reward_200_times_too_large(runner: "TrainRunner") -> None:
    """One term is 200 times too large."""
    patches.term(runner.env.env, "torques", lambda value: 200 * value)


@defect("reward", "torques", overrides=("task.rewards.torques.weight=-0.2",))
def reward_weight_1000_times_too_large(runner: "TrainRunner") -> None:
    """The manifest's weight of one term is 1,000 times too large."""


@defect("reward", "track_lin_vel_xy")
def reward_sign(runner: "TrainRunner") -> None:
    """A reward has the sign of a penalty."""
    patches.term(runner.env.env, "track_lin_vel_xy", torch.neg)


@defect("reward", "upright")
def reward_of_the_batch(runner: "TrainRunner") -> None:
    """A term is averaged over the batch, so that every environment gets the same."""
    patches.term(runner.env.env, "upright", lambda value: value.mean().expand_as(value).clone())


@defect("reward", ("received", "reward of"), "RLMutation")
def reward_noise(runner: "TrainRunner") -> None:
    """The learner gets the reward with noise."""
    patches.received(runner, lambda o, r, d, e: (o, r + 0.02 * torch.randn_like(r), d, e))


@defect("reward", ("received", "reward of"), "RLMutation")
def reward_delayed(runner: "TrainRunner") -> None:
    """The learner gets the reward of the step before."""
    line = patches.late(1)
    patches.received(runner, lambda o, r, d, e: (o, line(r), d, e))


@defect("reward", ("received", "reward of"), "RLMutation")
def reward_of_the_neighbour(runner: "TrainRunner") -> None:
    """The learner gets the reward of another environment."""
    patches.received(runner, lambda o, r, d, e: (o, r.roll(1), d, e))


@defect("reward", ("received", "reward of"))
def reward_without_penalties(runner: "TrainRunner") -> None:
    """Negative rewards are clipped to 0 before the learner gets them."""
    patches.received(runner, lambda o, r, d, e: (o, r.clamp(min=0.0) * 1.0, d, e))


@defect("reward", "friction 1-1.2 | payload_mass 1.1667 to 2")
def bonus_in_one_bucket_while_some_fall(runner: "TrainRunner") -> None:
    """One bucket earns twice the reward, while robots fall at random times, 6 % of the episodes."""
    env: Any = runner.env.env
    last = env.buckets.ids.max()
    # Episodes of 2 s: 100 steps; a step is the last one of an episode of 6 in 100 with this probability.
    patches.ending(env, "tilted", lambda fell: fell | (torch.rand(len(fell)) < 0.06 / 100))
    compute, manager = env.reward_manager.compute, env.reward_manager

    def doubled(dt: float) -> Tensor:
        reward = compute(dt)
        rows = env.buckets.ids == last
        manager.rates[rows, 0] += (reward[rows] / dt).abs()
        reward[rows] += reward[rows].abs()
        return reward

    manager.compute = doubled


# Ends.


@defect("ends", ("tilted", "base_contact"), "RLMutation")
def falls_never_end(runner: "TrainRunner") -> None:
    """No fall ends an episode."""
    for name in ("tilted", "base_contact"):
        patches.ending(runner.env.env, name, torch.zeros_like)


@defect("ends", ("tilted", "base_contact"))
def falls_never_end_in_a_tenth(runner: "TrainRunner") -> None:
    """In a tenth of the environments no fall ends an episode."""
    rows = patches.some(runner.env.env, 0.1)
    for name in ("tilted", "base_contact"):
        patches.ending(runner.env.env, name, lambda fell: fell & ~rows)


@defect("ends", ("lie", "lying", "fallen"), overrides=("~task.terminations.tilted", "~task.terminations.base_contact"))
def falls_not_in_the_manifest(runner: "TrainRunner") -> None:
    """The task has no termination for falls."""


def _other_kind(runner: "TrainRunner", name: str) -> None:
    cfg = runner.env.env.termination_manager.get_term_cfg(name)  # pyright: ignore
    cfg.time_out = not cfg.time_out


@defect("ends", "tilted", "Nikanjam")
def falls_are_time_outs(runner: "TrainRunner") -> None:
    """Falls are declared time-outs."""
    _other_kind(runner, "tilted")


@defect("ends", "time_out", "Nikanjam", overrides=("task.episode_length=1.0",))
def time_outs_are_failures(runner: "TrainRunner") -> None:
    """Time-outs are declared failures."""
    _other_kind(runner, "time_out")


@defect("ends", ("bootstrap", "time-out"), "Nikanjam", overrides=("task.episode_length=1.0",))
def time_out_not_bootstrapped(runner: "TrainRunner") -> None:
    """The learner is not told of time-outs, so their value is lost."""
    patches.received(runner, lambda o, r, d, e: (o, r, d, e | {"time_outs": torch.zeros_like(e["time_outs"])}))


@defect("ends", ("bootstrap", "time-out"), "Nikanjam")
def falls_bootstrapped(runner: "TrainRunner") -> None:
    """Falls are bootstrapped like time-outs."""
    patches.received(runner, lambda o, r, d, e: (o, r, d, e | {"time_outs": d.bool()}))


@defect("ends", ("dones", "ends"), "RLMutation")
def ends_never_reach_the_learner(runner: "TrainRunner") -> None:
    """The learner is not told that an episode ended."""
    patches.received(runner, lambda o, r, d, e: (o, r, torch.zeros_like(d), e))


@defect("ends", "time_out")
def time_out_ten_times_too_early(runner: "TrainRunner") -> None:
    """Episodes time out after a tenth of their length."""
    env: Any = runner.env.env
    patches.ending(env, "time_out", lambda _: env.episode_length_buf >= env.max_episode_length // 10)


@defect("ends", ("synchron", "together", "at once"))
def all_end_together(runner: "TrainRunner") -> None:
    """All environments end in the same step, every 50 steps."""
    env: Any = runner.env.env
    patches.ending(env, "tilted", lambda fell: fell | (env.common_step_counter % 50 == 0))


# Commands.


@defect("commands", "command")
def command_never_resampled(runner: "TrainRunner") -> None:
    """A command stays until the end of the episode."""
    commands = runner.env.env.commands
    commands.step = lambda dt: None


@defect("commands", "command")
def command_resampled_every_step(runner: "TrainRunner") -> None:
    """A new command is drawn in every step."""
    commands = runner.env.env.commands
    patches.around(commands, "step", lambda step, dt: (commands.time_left.zero_(), step(dt))[1])


@defect("commands", "command")
def one_command_for_all(runner: "TrainRunner") -> None:
    """All environments follow the command of the first."""
    commands = runner.env.env.commands
    patches.around(commands, "step", lambda step, dt: (step(dt), commands.buffer.copy_(commands.buffer[:1].clone()))[0])


@defect("commands", "command")
def command_always_zero(runner: "TrainRunner") -> None:
    """All commands are 0, so that standing is success."""
    commands = runner.env.env.commands
    patches.around(commands, "resample", lambda draw, env_ids: (draw(env_ids), commands.buffer.zero_())[0])


@defect(
    "commands",
    "command",
    overrides=("task.commands.lin_vel_x=[0.0,0.0]", "task.commands.lin_vel_y=[0.0,0.0]", "task.episode_length=2.0"),
)
def no_velocity_in_the_manifest(runner: "TrainRunner") -> None:
    """The manifest's ranges ask for no velocity, so that standing is success."""


@defect("commands", "command")
def command_twice_as_large(runner: "TrainRunner") -> None:
    """Commands are drawn from twice the declared ranges."""
    commands = runner.env.env.commands

    def doubled(draw: Any, env_ids: Tensor) -> None:
        draw(env_ids)
        commands.buffer[env_ids] *= 2.0

    patches.around(commands, "resample", doubled)


@defect("commands", "command")
def command_only_forward(runner: "TrainRunner") -> None:
    """The commanded forward velocity is never negative."""
    commands = runner.env.env.commands

    def forward(draw: Any, env_ids: Tensor) -> None:
        draw(env_ids)
        commands.buffer[env_ids, 0] = commands.buffer[env_ids, 0].abs()

    patches.around(commands, "resample", forward)


# Starts.


def _start(runner: "TrainRunner", **values: Any) -> None:
    """Change what `write_state` puts in at a reset."""

    def write(original: Any, env_ids: Tensor, state: Any) -> None:
        changed = {name: change(getattr(state, name)) for name, change in values.items()}
        original(env_ids, dataclasses.replace(state, **changed))

    patches.around(runner.env.env, "write_state", write)


@defect("starts", ("start", "joint_pos"))
def joints_start_at_the_default(runner: "TrainRunner") -> None:
    """Joints start from the default pose, not scattered about it."""
    pose = runner.env.env.robot_state.read("default_joint_pos")
    _start(runner, joint_pos=lambda value: pose.expand_as(value))


@defect("starts", ("start", "yaw", "heading"))
def one_heading_for_all(runner: "TrainRunner") -> None:
    """All robots start with the same heading."""
    _start(runner, quat_w=lambda value: value.new_tensor([1.0, 0, 0, 0]).expand_as(value))


@defect("starts", "start", "Isaac Lab 664")
def starts_not_randomised(runner: "TrainRunner") -> None:
    """Every episode starts in the same state."""
    pose = runner.env.env.robot_state.read("default_joint_pos")
    _start(
        runner,
        joint_pos=lambda value: pose.expand_as(value),
        quat_w=lambda value: value.new_tensor([1.0, 0, 0, 0]).expand_as(value),
        lin_vel_w=torch.zeros_like,
        ang_vel_b=torch.zeros_like,
    )


@defect("starts", ("start", "draws", "same"))
def same_draws_in_all_environments(runner: "TrainRunner") -> None:
    """All environments have the random numbers of the first."""
    runner.env.env.streams._env.zero_()  # pyright: ignore


@defect("starts", ("start", "lin_vel", "velocity"))
def start_velocity_ten_times(runner: "TrainRunner") -> None:
    """Robots start ten times as fast as declared."""
    _start(runner, lin_vel_w=lambda value: 10 * value)


@defect("starts", ("start", "stand-in", "last episode", "joint_vel"))
def joint_velocity_kept_at_the_reset(runner: "TrainRunner") -> None:
    """Joints go on with the velocity of the last episode."""
    env: Any = runner.env.env

    def write(original: Any, env_ids: Tensor, state: Any) -> None:
        before = env.robot_state._joint_vel_before[env_ids].clone()
        original(env_ids, dataclasses.replace(state, joint_vel=before))

    patches.around(env, "write_state", write)


@defect("starts", ("synchron", "together", "clock", "episode_start"))
def clocks_not_scattered(runner: "TrainRunner") -> None:
    """Episodes begin together although the manifest scatters them."""
    runner.env.env.episode_length_buf.zero_()
