"""States to put robots into, and what is read of them, as the parts of a probe need it."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from surefoot.crosscheck.probe_file import Array
from surefoot.crosscheck.probe_plan import FLIGHT_HEIGHT, ProbePlan
from surefoot.engines.base import EngineEnv
from surefoot.engines.step import PhysicalState, StepResult
from surefoot.mdp.fields import FIELDS


def leave_the_ground(env: EngineEnv) -> None:
    """Into the air, and one physical step there: some simulators know only the contact of their last step."""
    pose = standing(env)
    env.step_to(torch.zeros_like(pose.joint_pos), pose)
    env.step(torch.zeros_like(pose.joint_pos))


def standing(env: EngineEnv, height: float = FLIGHT_HEIGHT) -> PhysicalState:
    """Default pose at rest, `height` m over where it stands."""
    pos = torch.zeros(env.num_envs, 3, device=env.device)
    pos[:, 2] = env.manifest.robot.base_height + height
    quat = torch.zeros(env.num_envs, 4, device=env.device)
    quat[:, 0] = 1.0
    joint_pos = env.robot_state.read("default_joint_pos").expand(env.num_envs, -1).clone()
    pos_w = pos + env.robot_state.episode_origins()
    return PhysicalState(
        pos_w, quat, torch.zeros_like(pos), torch.zeros_like(pos), joint_pos, torch.zeros_like(joint_pos)
    )


def planned_state(env: EngineEnv, plan: ProbePlan, index: int) -> PhysicalState:
    """One round of the plan, whose positions are relative to each environment's origin."""
    pos_w = on_device(env, plan.pos[index]) + env.robot_state.episode_origins()
    arrays = (plan.quat_w, plan.lin_vel_w, plan.ang_vel_b, plan.joint_pos, plan.joint_vel)
    return PhysicalState(pos_w, *(on_device(env, values[index]) for values in arrays))


def present_state(env: EngineEnv) -> PhysicalState:
    """Where the robots are now."""
    names = ("base_pos_w", "base_quat_w", "base_lin_vel_w", "base_ang_vel_b", "joint_pos", "joint_vel")
    read = env.robot_state.read
    return PhysicalState(*(read(name).clone() for name in names))


def write(env: EngineEnv, state: PhysicalState) -> None:
    """Into the simulator, for the next physical step; nothing else happens."""
    env.write_state(torch.arange(env.num_envs, device=env.device), state)


def fields(env: EngineEnv) -> dict[str, Tensor]:
    """Every field that this manifest can have; positions relative to the environments' origins."""
    manifest, state = env.manifest, env.robot_state
    collide = manifest.robot.contact_models[manifest.simulation.contact_model].collide
    names = [name for name, field in FIELDS.items() if field.contact_group is None or field.contact_group in collide]
    if manifest.task.height_scan is None:
        names.remove("height_scan")
    if state.imu_offset is None:
        names.remove("imu_lin_acc_b")
    values = {name: cast("Tensor", state.read(name)).clone() for name in names}
    # Engines put their environments at other places of the world.
    values["base_pos_w"] = values["base_pos_w"] - state.episode_origins()
    values["foot_pos_w"] = values["foot_pos_w"] - state.episode_origins().unsqueeze(1)
    return values


def of_first_robot(env: EngineEnv, field: str) -> Tensor:
    """A field of the first robot."""
    return cast("Tensor", env.robot_state.read(field))[0].clone()


def ended(result: StepResult) -> Tensor:
    """By failure, time-out or fault. Shape (N,), bool."""
    return result.terminated | result.truncated | result.faults.any(dim=1)


def roll(env: EngineEnv, actions: Sequence[Tensor]) -> dict[str, Tensor]:
    """Step with some actions. Shapes (T, N, ...)."""
    rows: list[dict[str, Tensor]] = []
    for action in actions:
        result = env.step(action)
        read = env.robot_state.read
        rows.append(
            {
                "joint_pos": read("joint_pos").clone(),
                "base_pos": read("base_pos_w") - env.robot_state.episode_origins(),
                "base_lin_vel": read("base_lin_vel_w").clone(),
                "rewards": result.audit.rates.clone(),
                "ended": ended(result),
            }
        )
    return stacked(rows)


def stacked(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """A new first axis."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def on_device(env: EngineEnv, values: Array) -> Tensor:
    """On the environment's device."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(env.device)
