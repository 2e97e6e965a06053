"""What can be proved on the built environment before the first iteration, on states that are written for the purpose.

Robots are put in the air, on their feet, on their side and into the ground; gravity, contact, ends, kicks and the map
of left and right must be what the manifest says. Afterwards every environment is exactly as it was, or begins anew
where the engine cannot put its state back.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.task_again import TaskAgain
from surefoot.engines.step import PhysicalState
from surefoot.mdp.frames import rotate_inverse
from surefoot.mdp.observation_layout import action_mirror
from surefoot.mdp.robot_state import max_episode_steps

KIND = "preflight"
GRAVITY = 9.81
"""m/s^2."""
SETTLE_S = 0.4
"""s that robots are given to come to rest on their feet."""


def preflight(env: Any) -> list[Finding]:
    """Prove what can be proved; returns what is wrong.

    Args:
        env: Environments at the start of an iteration.
    """
    findings = list(_said(env))
    saved = env.state_dict()

    def put_back() -> None:
        _ = env.reset() if saved is None else env.load_state_dict(saved)

    drawn = torch.get_rng_state()  # a simulator's own delays may draw from it when targets are written
    try:
        checks: tuple[Callable[[Any], Iterator[Finding]], ...] = (_kicks, _free_fall, _stance, _falls, _mirror)
        for check in checks:
            # A check leaves robots where it has put them: the next one begins where the run does.
            findings += check(env)
            put_back()
    finally:
        put_back()
        env.robot_state.invalidate()
        torch.set_rng_state(drawn)
    return findings


def _said(env: Any) -> Iterator[Finding]:
    """What the manifest alone says."""
    manifest = env.manifest
    push, task = manifest.randomization.push, manifest.task
    if (push.lin_vel_xy > 0 or push.ang_vel_z > 0) and not manifest.has_kicks:
        text = (
            f"no kick ever comes: the first is due after {push.interval[0]:g} s, and an episode ends after "
            f"{task.episode_length:g} s; shorten randomization.push.interval, or set lin_vel_xy and ang_vel_z to 0"
        )
        yield Finding("kicks", "kicks", text)
    for name, has, said in (
        ("step_dt", env.step_dt, manifest.simulation.step_dt),
        ("max_episode_length", env.max_episode_length, max_episode_steps(manifest)),
    ):
        if abs(has - said) > 1e-6 * said:
            yield Finding(KIND, name, f"the environment has {has:g}, the manifest says {said:g}")
    ages = env.episode_length_buf
    if task.resets.randomize_episode_start and env.num_envs >= 8 and bool((ages == ages[0]).all()):
        text = f"the clocks of all episodes are at step {int(ages[0])}: time-outs will come together, scattered or not"
        yield Finding("synchronised_resets", "episode starts", text)
    group = task.observations.actor
    named = [name for name, term in group.terms.items() if term.noise > 0]
    if named and not group.noise:
        text = (
            f"amplitudes are declared for {', '.join(named)} and task.observations.actor.noise=false switches them off"
        )
        yield Finding("observation_noise", "noise actor", text)
    if not any(term.kind == "failure" for term in task.terminations.values()):
        yield Finding("lying_robots", "falls", "no termination of kind failure: fallen robots lie until the time-out")


def _everyone(env: Any) -> Tensor:
    return torch.arange(env.num_envs, device=env.device)


def _write(env: Any, height: float, quat: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0), **given: Tensor) -> None:
    """Put all robots over their origins, at rest, in the default pose, but for what is given."""
    state, n = env.robot_state, env.num_envs
    position = state.episode_origins().clone()
    position[:, 2] += height
    pose = state.read("default_joint_pos").expand(n, -1).clone()
    values = {
        "pos_w": position,
        "quat_w": torch.tensor(quat, device=env.device).expand(n, 4).clone(),
        "lin_vel_w": torch.zeros(n, 3, device=env.device),
        "ang_vel_b": torch.zeros(n, 3, device=env.device),
        "joint_pos": pose,
        "joint_vel": torch.zeros_like(pose),
    }
    env.write_state(_everyone(env), PhysicalState(**(values | given)))
    env.command_joints((values | given)["joint_pos"])
    env.refresh(_everyone(env))
    state.invalidate()


def _step(env: Any) -> None:
    """One physics step; PhysX knows contacts of the state alone that a step has begun with."""
    env.physics_step()
    env.refresh(_everyone(env))
    env.robot_state.invalidate()


def _kicks(env: Any) -> Iterator[Finding]:
    push = env.manifest.randomization.push
    if not env.pushes.enabled:
        return
    _write(env, 2.0)
    change = torch.tensor([push.lin_vel_xy, -push.lin_vel_xy, push.ang_vel_z], device=env.device)
    env.kick(_everyone(env), change.expand(env.num_envs, 3))
    env.refresh(_everyone(env))
    state = env.robot_state
    state.invalidate()
    got = torch.cat((state.raw_base_lin_vel_w()[:, :2], state.read("base_ang_vel_w")[:, 2:]), dim=1)
    off = (got - change).abs().amax(dim=0)
    if bool((off > 1e-3 * change.abs().amax()).any()):
        told, came = ", ".join(f"{x:.3g}" for x in change.tolist()), ", ".join(f"{x:.3g}" for x in got[0].tolist())
        yield Finding(
            "kicks", "kicks", f"a kick should change vx, vy, yaw rate by {told}; robot 0 was changed by {came}"
        )


def _free_fall(env: Any) -> Iterator[Finding]:
    _write(env, 2.0)
    _step(env)
    got = env.robot_state.raw_base_lin_vel_w()[:, 2]
    expected = -GRAVITY * env.manifest.simulation.timestep
    wrong = (got - expected).abs() > 0.05 * abs(expected)
    if bool(wrong.any()):
        rate = float(got[wrong][0]) / env.manifest.simulation.timestep
        text = (
            f"{int(wrong.sum())} robots in the air fall with {rate:.3g} m/s^2, not {-GRAVITY:g}: gravity or time step"
        )
        yield Finding(KIND, "gravity, physics", text)


def _stance(env: Any) -> Iterator[Finding]:
    robot, state = env.manifest.robot, env.robot_state
    _write(env, robot.base_height)
    for _ in range(round(SETTLE_S / env.manifest.simulation.timestep)):
        env.physics_step()
    env.refresh(_everyone(env))
    state.invalidate()
    up = -state.read("projected_gravity_b")[:, 2] > 0.9
    standing = up & (state.read("base_height") > 0.7 * robot.base_height)
    if int(standing.sum()) < max(1, env.num_envs // 4):
        return  # a robot that does not stand by itself says nothing of its feet
    touching = state.read("foot_in_contact")[standing].float().mean(dim=0)
    for foot, share in zip(robot.feet, touching.tolist(), strict=True):
        if share == 0:
            text = f"{int(standing.sum())} robots stand, and this foot reports contact in none of them"
            yield Finding("dead_contact", f"foot {foot.name}", text)
    force = state.read("foot_force_w")[standing][..., 2].sum(dim=1).median()
    weight = (env.total_mass()[standing] * GRAVITY).median()
    if not 0.5 < float(force / weight) < 2.0:
        text = f"the feet of standing robots carry {float(force):.3g} N, the robots weigh {float(weight):.3g} N"
        yield Finding("dead_contact", "foot force", text)


def _falls(env: Any) -> Iterator[Finding]:
    """Every fallen robot must hold a termination of kind failure; each as the manifest's term says."""
    terms = env.manifest.task.terminations
    failures = [name for name, term in terms.items() if term.kind == "failure"]
    again = TaskAgain(env.manifest, env.robot_state)
    for what, height, quat in (
        ("on their side", 0.5 * env.manifest.robot.base_height, (0.7071068, 0.7071068, 0.0, 0.0)),
        ("on their back", 0.5 * env.manifest.robot.base_height, (0.0, 1.0, 0.0, 0.0)),
    ):
        _write(env, height, quat)
        given, holds = _ends(env, failures)
        if not bool(holds.all()):
            _step(env)
            given, holds = _ends(env, failures)
        differs = (given != again.causes()).sum(dim=0)
        for name, rows in zip(terms, differs.tolist(), strict=True):
            if rows > 0:
                text = f"of robots {what} it says otherwise than the manifest's term in {rows} environments"
                yield Finding("episode_ends", name, text)
        if failures and not bool(holds.all()):
            text = f"{int((~holds).sum())} robots {what} do not end their episode: none of {', '.join(failures)} holds"
            yield Finding("lying_robots", f"fallen robots, {', '.join(failures)}", text)
    yield from _belly(env)


def _ends(env: Any, failures: list[str]) -> tuple[Tensor, Tensor]:
    """Every term of the present state, and whether a failure holds. Shapes (N, terms) and (N,)."""
    terms, manager = list(env.manifest.task.terminations), env.termination_manager
    manager.compute()
    given = torch.stack([manager.get_term(name) for name in terms], dim=1).bool()
    return given, given[:, [terms.index(name) for name in failures]].any(dim=1)


def _belly(env: Any) -> Iterator[Finding]:
    """A trunk in the ground touches it."""
    touches = env.manifest.robot.contact_models[env.manifest.simulation.contact_model].collide
    if "base" not in touches:
        return
    _write(env, 0.02)
    felt = bool(env.robot_state.read("base_in_contact").any())
    if not felt:
        _step(env)
        felt = bool(env.robot_state.read("base_in_contact").any())
    if not felt:
        text = "the base is 2 cm over the ground, inside of it, and reports contact in no environment"
        yield Finding("dead_contact", "base_in_contact", text)


def _mirror(env: Any) -> Iterator[Finding]:
    """Mirrored joint positions must put the feet where the mirrored feet are."""
    robot, state, n = env.manifest.robot, env.robot_state, env.num_envs
    joints = action_mirror(robot)
    # No two joints alike: an exchange of any two moves a foot.
    wave = 0.1 * torch.sin(1.0 + 1.7 * torch.arange(len(robot.joints), device=env.device))
    pose = state.read("default_joint_pos") + wave
    sign = torch.tensor(joints.sign, device=env.device)
    feet = [robot.foot_names.index(foot.mirror) for foot in robot.feet]
    places: list[Tensor] = []
    for joint_pos in (pose, pose[list(joints.index)] * sign):
        _write(env, 1.0, joint_pos=joint_pos.expand(n, -1).clone())
        offset = state.read("foot_pos_w")[0] - state.raw_base_pos_w()[0]
        places.append(rotate_inverse(state.raw_base_quat_w()[:1].expand(len(feet), -1), offset))
    mirrored = places[0][feet] * torch.tensor([1.0, -1.0, 1.0], device=env.device)
    off = (places[1] - mirrored).abs().amax(dim=1)
    for foot, distance in zip(robot.feet, off.tolist(), strict=True):
        if distance > 0.005:
            text = (
                f"with mirrored joints it is {distance:.3g} m from where its mirror image is: mirror or "
                f"mirror_sign is wrong"
            )
            yield Finding(KIND, f"mirror of foot {foot.name}", text)
