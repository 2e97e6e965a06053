"""What is asked of an engine, part by part; each answer is a dictionary of tensors, joints and feet in canonical order.

Axis letters: K rounds, N environments, J joints, F feet, T control steps.
"""

import dataclasses

import torch
from torch import Tensor

from surefoot.crosscheck.probe_plan import HOLD_STEPS, SETTLE_STEPS, ProbePlan
from surefoot.crosscheck.states import (
    ended,
    fields,
    leave_the_ground,
    of_first_robot,
    on_device,
    planned_state,
    present_state,
    roll,
    stacked,
    standing,
    write,
)
from surefoot.engines.base import EngineEnv

JOINT_OFFSET, JOINT_SPEED = 0.1, 1.0
"""rad and rad/s, of the one joint that moves."""
TILT = 0.35
"""rad, of the robot that touches the ground with one foot."""
PENETRATION = 0.003
"""m, of its sole."""
SLIDE = 0.5
"""m/s."""
STANDARD_GRAVITY = 9.81
"""m/s^2."""
_EPISODE = 1000
"""Number of the episodes that are compared while the physics runs; more than there were before."""


def start(env: EngineEnv, plan: ProbePlan) -> dict[str, Tensor]:
    """The first episodes: what was drawn for them, what is seen of them, and what the simulator holds."""
    return {
        # Copies throughout: engines hand out memory that the next step overwrites.
        **{group: value.clone() for group, value in env.get_observations().items()},
        **{f"field/{name}": value for name, value in fields(env).items()},
        **{f"factor/{name}": value.clone() for name, value in env.buckets.values.items()},
        **{f"joint/{name}": value.clone() for name, value in env.joint_properties().items()},
        "bucket": env.buckets.ids.clone(),
        "mass": env.total_mass().clone(),
    }


def flight(env: EngineEnv, plan: ProbePlan) -> dict[str, Tensor]:
    """Equal states in the air, where nothing touches anything. Shapes (K, N, ...)."""
    leave_the_ground(env)
    rounds: list[dict[str, Tensor]] = []
    for index in range(len(plan.pos)):
        if index == 0:
            env.episode_length_buf[0] = env.definition()["episode_steps"] - 1  # one time-out
        result = env.step_to(on_device(env, plan.actions[index]), planned_state(env, plan, index))
        rounds.append(
            {
                **{f"field/{name}": value for name, value in fields(env).items()},
                **{group: value.clone() for group, value in result.observations.items()},
                "rewards": result.audit.rates.clone(),
                "causes": result.audit.causes.clone(),
                "ended": ended(result),
            }
        )
    return stacked(rounds)


def fall(env: EngineEnv, plan: ProbePlan) -> dict[str, Tensor]:
    """The first round of states for one physical step; whether feet move at once with a base that is written, and
    whether it is known how a robot in a written state accelerates: it falls.
    """
    leave_the_ground(env)
    pose = standing(env)
    zero = torch.zeros_like(pose.joint_pos)
    moving = torch.zeros_like(pose.lin_vel_w)
    moving[:, 0] = 1.0
    env.step_to(zero, dataclasses.replace(pose, lin_vel_w=moving))
    # Feet that are still at rest are those of the last physics step.
    follows = (of_first_robot(env, "foot_vel_w") - moving[0]).abs().max() < 1e-3
    # An accelerometer in free fall shows nothing, one at rest shows gravity.
    falls = (
        env.robot_state.imu_offset is not None and of_first_robot(env, "imu_lin_acc_b").norm() < 0.5 * STANDARD_GRAVITY
    )
    write(env, planned_state(env, plan, 0))
    result = env.step(zero)
    found = {"foot_vel_w": env.robot_state.read("foot_vel_w").clone(), "ended": ended(result)}
    return found | {"feet_follow_writes": follows, "falls_at_once": torch.as_tensor(falls)}


def joints(env: EngineEnv, plan: ProbePlan) -> dict[str, Tensor]:
    """One joint at a time, of the first robot: moved by hand, given a speed, and told to move. Shapes (J, ...)."""
    leave_the_ground(env)
    pose = standing(env)
    zero = torch.zeros_like(pose.joint_pos)
    clip = env.manifest.task.actions.clip
    env.step_to(zero, pose)
    rest = of_first_robot(env, "foot_pos_w")
    rows: list[dict[str, Tensor]] = []
    for joint in range(zero.shape[1]):
        one = torch.zeros_like(zero)
        one[:, joint] = 1.0
        row: dict[str, Tensor] = {}
        env.step_to(zero, dataclasses.replace(pose, joint_pos=pose.joint_pos + JOINT_OFFSET * one))
        row["position"], row["torque_of_position"] = (
            of_first_robot(env, "joint_pos_rel"),
            of_first_robot(env, "joint_torque"),
        )
        row["feet"] = of_first_robot(env, "foot_pos_w") - rest
        env.step_to(zero, dataclasses.replace(pose, joint_vel=JOINT_SPEED * one))
        row["velocity"], row["torque_of_velocity"] = (
            of_first_robot(env, "joint_vel"),
            of_first_robot(env, "joint_torque"),
        )
        env.step_to(one, pose)
        row["torque_of_action"] = of_first_robot(env, "joint_torque")
        env.step_to(clip * one, pose)
        row["torque_limit"] = of_first_robot(env, "joint_torque")
        env.step_to(zero, pose)
        # From rest again, and now with the engine's own physics.
        env.step(one)
        row["moved_by_action"], row["reaction"] = (
            of_first_robot(env, "joint_pos_rel"),
            of_first_robot(env, "base_ang_vel_b"),
        )
        rows.append(row)
    return stacked(rows)


def feet(env: EngineEnv, plan: ProbePlan) -> dict[str, Tensor]:
    """The first robot tilted towards one foot, its sole just in the ground, for one physical step. Shapes (F, F)."""
    leave_the_ground(env)
    pose = standing(env)
    zero = torch.zeros_like(pose.joint_pos)
    env.step_to(zero, pose)
    places = of_first_robot(env, "foot_pos_w") - of_first_robot(env, "base_pos_w")
    rows: list[dict[str, Tensor]] = []
    for place in places:
        pose = standing(env)  # anew: on generated ground a reset may have moved the origin
        x, y = (place[:2] / place[:2].norm()).tolist()
        # A turn about (-y, x, 0) lowers what lies towards (x, y).
        turn = torch.tensor([0.0, -y, x, 0.0], device=env.device).mul(torch.tensor(TILT / 2).sin())
        turn[0] = torch.tensor(TILT / 2).cos()
        tilted = dataclasses.replace(pose, quat_w=turn.expand(env.num_envs, 4))
        env.step_to(zero, tilted)
        height = of_first_robot(env, "foot_height")
        lower = pose.pos_w.clone()
        lower[:, 2] -= height.min() + PENETRATION
        write(env, dataclasses.replace(tilted, pos_w=lower))
        env.step(zero)
        # Heights are those of before the physics step: contact may have pushed the foot out since.
        rows.append({"contact": of_first_robot(env, "foot_in_contact"), "height": height})
        leave_the_ground(env)
    return stacked(rows)


def belly(env: EngineEnv, plan: ProbePlan) -> dict[str, Tensor]:
    """Robots on their backs, each at another height; one physical step says which of them touch. Shapes (N, ...)."""
    leave_the_ground(env)
    pose = standing(env)
    height = torch.linspace(0.0, 1.2 * env.manifest.robot.base_height, env.num_envs, device=env.device)
    pos_w = pose.pos_w.clone()
    pos_w[:, 2] = height + env.robot_state.episode_origins()[:, 2]
    on_the_back = torch.tensor([0.0, 1.0, 0.0, 0.0], device=env.device).expand(env.num_envs, 4)
    write(env, dataclasses.replace(pose, pos_w=pos_w, quat_w=on_the_back))
    result = env.step(torch.zeros_like(pose.joint_pos))
    return {"height": height, "causes": result.audit.causes.clone()}


def ground(env: EngineEnv, plan: ProbePlan) -> dict[str, Tensor]:
    """What reads contact, once the feet are on the ground; then a shove, so that they slide. Shapes (N, ...)."""
    zero = _stand(env)
    found = {name: value for name, value in roll(env, [zero] * SETTLE_STEPS).items() if name in ("rewards", "ended")}
    found["contact"] = env.robot_state.read("foot_in_contact").clone()
    found["force"] = env.robot_state.read("foot_force_w").sum(dim=1)
    if env.robot_state.imu_offset is not None:
        found["imu"] = env.robot_state.read("imu_lin_acc_b").clone()
    found |= {group: value.clone() for group, value in env.get_observations().items()}
    state = present_state(env)
    shoved = state.lin_vel_w + torch.tensor([SLIDE, 0.0, 0.0], device=env.device)
    result = env.step_to(zero, dataclasses.replace(state, lin_vel_w=shoved))  # feet touch, and now they move
    return found | {"slide_rewards": result.audit.rates.clone(), "slide_ended": ended(result)}


def hold(env: EngineEnv, plan: ProbePlan) -> dict[str, Tensor]:
    """Standing still from the default pose."""
    return roll(env, [_stand(env)] * HOLD_STEPS)


def _stand(env: EngineEnv) -> Tensor:
    """Start episodes in the default pose on the ground; the action that keeps it."""
    leave_the_ground(env)  # the last physical step must not be one with contact
    _begin(env)
    pose = standing(env, height=0.0)
    zero = torch.zeros_like(pose.joint_pos)
    env.step_to(zero, pose)
    return zero


def open_loop(env: EngineEnv, plan: ProbePlan) -> dict[str, Tensor]:
    """The plan's actions from the start of an episode."""
    _begin(env)
    return roll(env, [on_device(env, action) for action in plan.open_loop])


def _begin(env: EngineEnv) -> None:
    """Start episodes of the same number and on the same tiles, whichever have ended on this engine before."""
    env.streams.episode.fill_(_EPISODE)
    generator = env.manifest.task.terrain.generator
    if env.terrain_levels is not None and generator is not None:
        env.terrain_levels.level.copy_(torch.arange(env.num_envs, device=env.device) % generator.levels)
    env.reset()
    env.episode_length_buf.zero_()
