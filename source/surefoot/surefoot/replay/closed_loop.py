"""A policy under a log's commands, from the log's own state: does it do better than the log?

Axis letters: B buckets, T control steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from surefoot.engines.base import EngineEnv, make_env
from surefoot.engines.device import check_device
from surefoot.engines.step import PhysicalState
from surefoot.errors import TraceError
from surefoot.machine import Machine
from surefoot.manifest import Manifest, validate
from surefoot.manifest.terrain_classes import TERRAIN_CLASS
from surefoot.mdp import frames, tracking
from surefoot.replay.base_motion import BaseMotion, base_motion, base_signals
from surefoot.replay.log_conditions import log_conditions
from surefoot.replay.trace_run import bucket_values
from surefoot.replay.windows import Windows, cut_windows, interpolated, interpolated_quat, last_given
from surefoot.rl.policy import load_policy
from surefoot.runs.checkpoint import check_fits, load
from surefoot.traces.card import TraceCard
from surefoot.traces.trace import FloatArray, Trace

NEEDS = ("q", "dq", "command")

METRICS = {
    "lin_vel_error": "m/s",
    "yaw_rate_error": "rad/s",
    "following": "rad",
    "tilt": "rad",
}
"""Mean over time of: horizontal velocity against the command, yaw rate against the command, |target - joint position|
over all joints, angle between the base's vertical and the world's. Lower is better."""

MARGIN = {"lin_vel_error": 0.1, "yaw_rate_error": 0.1, "following": 0.05, "tilt": 0.05}
"""Less is no difference, in the metric's unit: a robot that lies still turns less than one that stands and balances.
The velocities' are the errors of a well trained policy (docs/performance.md)."""


@dataclass(frozen=True)
class ClosedLoop:
    """A policy and a log under the same commands.

    Attributes:
        seconds: s that the commands lasted.
        log: Metrics of the log; NaN where it lacks the signals.
        policy: The same of the policy in each bucket, until its episode ended. Shape (B,) each.
        survived: Share of `seconds` until a failure. Shape (B,).
        labels: Of the buckets.
    """

    trace: str
    seconds: float
    log: dict[str, float]
    policy: dict[str, FloatArray]
    survived: FloatArray
    labels: tuple[str, ...]

    @property
    def better(self) -> dict[str, bool | None]:
        """Whether the policy's median bucket is below the log, by metric; None where the log has no number."""
        return {
            name: None if np.isnan(value) else bool(np.median(self.policy[name]) < value)
            for name, value in self.log.items()
        }

    @property
    def passed(self) -> bool:
        """No bucket failed; the median one is worse than the log in nothing, and better in something, by `MARGIN`."""
        if not (self.survived == 1).all():
            return False
        compared = {name: value for name, value in self.log.items() if not np.isnan(value)}
        gains = [(value - float(np.median(self.policy[name]))) / MARGIN[name] for name, value in compared.items()]
        return min(gains) >= -1.0 and max(gains) > 1.0


def closed_loop_manifest(manifest: Manifest, seconds: float) -> Manifest:
    """The task with an episode that outlasts the commands."""
    plain = manifest.to_plain()
    # A time-out would end every robot, and count as no survival.
    plain["task"]["episode_length"] = seconds + 1.0
    # All robots stand on one tile (`bucket_conditions`), so its class tells no buckets apart.
    plain["randomization"]["bucket_by"] = [name for name in manifest.randomization.bucket_by if name != TERRAIN_CLASS]
    return validate(plain, source="replay")


def run_closed_loop(
    trace: Trace,
    checkpoint: Path,
    *,
    machine: Machine = Machine(),
    card: TraceCard | None = None,
    seconds: float | None = None,
) -> ClosedLoop:
    """Run a checkpoint's policy under the commands of a log, one robot in each randomisation bucket.

    Args:
        trace: The log; needs q, dq, command and an orientation.
        checkpoint: Of a surefoot run for the same robot.
        machine: Where it is simulated.
        card: Its segments say where the commands are a policy's; in a failed run they are all through. The policy gets
            its perturbations too.
        seconds: How much of the log from the first valid sample on; default: as much as is valid in one piece.

    Raises:
        TraceError: Another robot, a missing signal, nothing valid.
        CheckpointError: Corrupt, or of another observation layout.
    """
    device, loaded = check_device(machine.device), load(checkpoint)
    trace.require_robot(loaded.manifest.robot.name)
    trace.require(*NEEDS, purpose="mode closed_loop")
    step_dt = loaded.manifest.simulation.step_dt
    window = longest_window(trace, step_dt, card, seconds)
    length = window.num_steps * step_dt
    manifest = closed_loop_manifest(loaded.manifest, length)
    check_fits(loaded, manifest)
    policy = load_policy(loaded, manifest, device)
    labels, values = bucket_values(manifest)
    conditions = log_conditions(values, trace, window, card)
    env = make_env(machine, manifest, evaluation=True, conditions=conditions)
    try:
        base = base_motion(trace, env)
        _start(env, trace, base, window)
        measured, survived = _roll(env, policy, window.num_steps)
    finally:
        env.close()
    return ClosedLoop(trace.header.name, length, _of_log(trace, base, window), measured, survived, labels)


def longest_window(trace: Trace, step_dt: float, card: TraceCard | None, seconds: float | None) -> Windows:
    """The first window that is as long as the log allows, at most `seconds`.

    What a failed run did after it failed is what a policy is compared with, so that its segments do not matter.

    Raises:
        TraceError: Nothing of it can be used.
    """
    if card is not None and card.outcome == "failed":
        card = None
    base = base_signals(trace)
    # The length is a multiple of the control step up to rounding.
    most = int(trace.time[-1] / step_dt + 1e-6) if seconds is None else round(seconds / step_dt)

    def first(steps: int) -> Windows | None:
        try:
            # A stride of one control step: the first valid start counts, wherever it is.
            found = cut_windows(
                trace, num_steps=steps, step_dt=step_dt, needs=NEEDS, card=card, stride=1, at_start=base
            )
        except TraceError:
            return None
        return Windows(found.start[:1], steps, step_dt)

    best = first(most) if most >= 1 else None
    low, high = (1, most - 1) if best is None and seconds is None else (1, 0)
    while low <= high:  # where a length is possible, so are all below it
        middle = (low + high) // 2
        found = first(middle)
        best, low, high = (found, middle + 1, high) if found is not None else (best, low, middle - 1)
    if best is None:
        raise TraceError(f"{trace.path}: no part of {most * step_dt:g} s can be replayed with mode closed_loop.")
    return best


def _start(env: EngineEnv, trace: Trace, base: BaseMotion, window: Windows) -> None:
    env.reset()
    everyone, joints = torch.arange(env.num_envs, device=env.device), env.manifest.robot.joint_names
    row = int(window.start[0])

    def spread(values: FloatArray) -> Tensor:
        return torch.tensor(values[row], dtype=torch.float32, device=env.device).expand(env.num_envs, -1).contiguous()

    env.write_state(
        everyone,
        PhysicalState(
            pos_w=spread(base.pos_w),
            quat_w=spread(base.quat_w),
            lin_vel_w=spread(base.lin_vel_w),
            ang_vel_b=spread(base.ang_vel_b),
            joint_pos=spread(trace.get("q", joints)),
            joint_vel=spread(trace.get("dq", joints)),
        ),
    )
    env.refresh(everyone)
    env.robot_state.invalidate()


@torch.no_grad()
def _roll(env: EngineEnv, policy: Callable[[Tensor], Tensor], steps: int) -> tuple[dict[str, FloatArray], FloatArray]:
    state, actions = env.robot_state, env.manifest.task.actions
    default = cast("Tensor", state.read("default_joint_pos"))
    running = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
    sums = {name: torch.zeros(env.num_envs, device=env.device) for name in METRICS}
    count = torch.zeros(env.num_envs, device=env.device)
    ended = torch.full((env.num_envs,), float(steps), device=env.device)
    actor_obs = env.get_observations()["actor"]
    for step in range(steps):
        # Before the step, which goes on to the next command: the one that was in force during it.
        command = cast("Tensor", state.read("command")).clone()
        action = policy(actor_obs)
        # As the environment clips and scales it, so that `following` is about what the motors were told.
        target = default + actions.scale * action.clamp(-actions.clip, actions.clip)
        result = env.step(action)
        running &= ~(result.terminated | result.truncated | result.faults.any(dim=1))
        # Once ended, the step stays what it was first set to.
        ended = torch.where(running, ended, ended.clamp(max=float(step)))
        now = {
            "lin_vel_error": tracking.lin_vel_error(command, state.read("base_lin_vel_yaw")),
            "yaw_rate_error": tracking.yaw_rate_error(command, state.read("base_ang_vel_w")),
            "following": (target - state.read("joint_pos")).abs().mean(dim=1),
            "tilt": _tilt(state.read("projected_gravity_b")),
        }
        for name, value in now.items():
            # Not `value * running`: a broken state is NaN, and NaN times 0 is one.
            sums[name] += torch.where(running, value, 0.0)
        count += running
        actor_obs = result.observations["actor"]
    measured = {name: (total / count).cpu().double().numpy() for name, total in sums.items()}
    return measured, (ended / steps).cpu().double().numpy()


def _of_log(trace: Trace, base: BaseMotion, window: Windows) -> dict[str, float]:
    """States at the end of control steps, against commands and targets in force during them, as for the policy."""
    dt, ends = window.step_dt, window.num_steps + 1

    def line(values: FloatArray) -> Tensor:
        return torch.tensor(interpolated(trace, window, values, dt=dt, count=ends)[1:, 0])

    def given(name: str) -> Tensor:
        return torch.tensor(last_given(trace, window, trace.signals[name], dt=dt, count=window.num_steps)[:, 0])

    quat = torch.tensor(interpolated_quat(trace, window, base.quat_w, dt=dt, count=ends)[1:, 0])
    command = given("command")
    out = dict.fromkeys(METRICS, float("nan"))
    if trace.has("base_lin_vel_w"):
        velocity = frames.to_yaw_frame(quat, line(base.lin_vel_w))
        out["lin_vel_error"] = float(tracking.lin_vel_error(command, velocity).nanmean())
    turning = frames.rotate(quat, line(base.ang_vel_b))
    out["yaw_rate_error"] = float(tracking.yaw_rate_error(command, turning).nanmean())
    if trace.has("q_des"):
        out["following"] = float((given("q_des") - line(trace.signals["q"])).abs().nanmean())
    out["tilt"] = float(_tilt(frames.gravity_direction(quat)).nanmean())
    return out


def _tilt(gravity: Tensor) -> Tensor:
    # Rounding may leave a unit vector longer than 1.
    return torch.acos((-gravity[:, 2]).clamp(-1.0, 1.0))


def text(result: ClosedLoop) -> str:
    """The comparison as a table."""
    fell = int((result.survived < 1).sum())
    lines = [
        f"{result.trace}: {result.seconds:g} s of commands, {len(result.labels)} buckets, {fell} of them failed",
        f"{'':<16}{'log':>9}{'policy':>9}{'worst bucket':>14}",
    ]
    for name, unit in METRICS.items():
        values, log = result.policy[name], result.log[name]
        shown = "-" if np.isnan(log) else f"{log:.3f}"
        lines.append(f"{name:<16}{shown:>9}{np.nanmedian(values):>9.3f}{np.nanmax(values):>14.3f} {unit}")
    lines.append(
        "the policy does better than the log" if result.passed else "the policy does NOT do better than the log"
    )
    return "\n".join(lines)


def to_plain(result: ClosedLoop) -> dict[str, object]:
    """The comparison as plain values."""
    return {
        "trace": result.trace,
        "mode": "closed_loop",
        "seconds": result.seconds,
        "passed": result.passed,
        "metrics": {
            name: {
                "unit": unit,
                "log": result.log[name],
                "policy": result.policy[name].tolist(),
                "better": result.better[name],
            }
            for name, unit in METRICS.items()
        },
        "survived": result.survived.tolist(),
        "buckets": list(result.labels),
    }
