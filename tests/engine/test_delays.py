"""Delays are exact, in physics steps for commands and in control steps for sensors, and end with the episode."""

import torch
from torch import Tensor

from cases import random_actions
from randomized import env_with
from surefoot.engines.delays import ControlDelay, ObservationDelay
from surefoot.engines.mujoco import make_env
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.mdp.observation_layout import observation_layout

CALM = ["task.observations.actor.noise=false", "randomization.push.lin_vel_xy=0", "randomization.push.ang_vel_z=0"]


def targets(env: MujocoEnv, actions: Tensor) -> Tensor:
    """What the motors are told in each physics step. Shape (physics steps, N, 12)."""
    seen: list[Tensor] = []
    step = env.sim.step

    def watched() -> None:
        seen.append(env.sim.data.ctrl[:].clone())
        step()

    env.sim.step = watched
    for action in actions:
        env.step(action)
    return torch.stack(seen)


def test_commands_arrive_exactly_that_many_physics_steps_late():
    env = env_with(9, {"control_delay": (0, 8)}, *CALM)
    env.buckets.values["control_delay"][:] = torch.arange(9)
    actions = random_actions(6, 1, scale=0.1).expand(6, 9, 12)
    default = env.robot_state.read("default_joint_pos")
    got = targets(env, actions)
    undelayed = (default + 0.5 * actions[:, 0]).repeat_interleave(
        2, dim=0
    )  # simulation=lean: two physics steps in a control step
    for delay in range(9):
        assert torch.equal(got[:delay, delay], default.expand(delay, 12))
        assert torch.allclose(got[delay:, delay], undelayed[: 12 - delay])


def test_without_delay_the_slow_path_moves_as_the_fused_one():
    friction = {"friction": (0.8, 0.8)}
    fused, slow = env_with(4, friction, *CALM), env_with(4, {**friction, "control_delay": (0, 0)}, *CALM)
    single = make_env(fused.manifest, device="cpu", num_envs=4, num_threads=1, single_steps=True)
    assert fused._fused and not slow._fused and not single._fused
    for action in random_actions(20, 4):
        for env in (fused, slow, single):
            env.step(action)
    assert torch.allclose(fused.sim.data.qpos[:], slow.sim.data.qpos[:], atol=1e-5)
    assert torch.equal(single.sim.data.qpos[:], slow.sim.data.qpos[:])


def test_nothing_of_the_last_episode_reaches_the_motors():
    delay = ControlDelay(torch.zeros(2), torch.tensor([3, 3]), longest=3, decimation=2)
    for value in (1.0, 2.0, 3.0):
        delay.push(torch.full((2, 2), value))
        delay.pull(), delay.pull()
    delay.reset(torch.tensor([1]))
    delay.push(torch.full((2, 2), 4.0))
    # Command 4 came in physics step 6. Three steps earlier 2 was in force, then 3 from step 7 on.
    assert delay.pull().tolist() == [[2.0, 2.0], [0.0, 0.0]]
    assert delay.pull().tolist() == [[3.0, 3.0], [0.0, 0.0]]
    delay.push(torch.full((2, 2), 5.0))
    assert delay.pull().tolist() == [[3.0, 3.0], [0.0, 0.0]]
    assert delay.pull().tolist() == [[4.0, 4.0], [4.0, 4.0]]


def test_sensors_show_what_was_that_many_control_steps_ago():
    env = env_with(4, {"observation_delay": (0, 3)}, *CALM)
    env.buckets.values["observation_delay"][:] = torch.arange(4)
    env.reset()
    critic = {block.name: block for block in observation_layout(env.manifest, "critic")}
    starts = [0]
    for block in observation_layout(env.manifest, "critic"):
        starts.append(starts[-1] + block.size)
    place = {
        name: slice(start, start + block.size) for (name, block), start in zip(critic.items(), starts, strict=False)
    }
    rows: list[dict[str, Tensor]] = [env.get_observations()]
    rows += [dict(env.step(action).observations) for action in random_actions(8, 4, scale=0.3)]
    start = 0
    for block in observation_layout(env.manifest, "actor"):
        sensed = block.name in ("base_ang_vel", "projected_gravity", "joint_pos", "joint_vel")
        for env_id in range(4):
            for step, row in enumerate(rows):
                shown = row["actor"][env_id, start : start + block.size]
                past = max(0, step - env_id) if sensed else step
                assert torch.equal(shown, rows[past]["critic"][env_id, place[block.name]]), (block.name, env_id, step)
        start += block.size


def test_nothing_of_the_last_episode_is_seen():
    delay = ObservationDelay(torch.tensor([2, 2]), longest=2)
    shown: list[list[float]] = []
    for now in range(6):
        if now == 3:
            delay.reset(torch.tensor([1]), now)
        shown.append(delay(torch.full((2, 1), float(now)), now).flatten().tolist())
    assert shown == [[0, 0], [0, 0], [0, 0], [1, 3], [2, 3], [3, 3]]


def test_a_delay_holds_for_an_episode_and_is_drawn_for_each():
    env = env_with(64, {"control_delay": (0, 8), "observation_delay": (0, 3)}, mode="reset")
    first = {name: value.clone() for name, value in env.buckets.values.items()}
    env.step(torch.zeros(64, 12))
    for name, value in first.items():
        assert torch.equal(env.buckets.values[name], value)
    env.reset()
    for name, value in first.items():
        assert not torch.equal(env.buckets.values[name], value)
        assert value.unique().tolist() == list(range({"control_delay": 9, "observation_delay": 4}[name]))
