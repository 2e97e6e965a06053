"""Defects of observations, randomised factors, physics and accounts."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from surefoot.defects import patches
from surefoot.defects.registry import GO1_ROUGH, defect

if TYPE_CHECKING:
    from surefoot.rl.runner import TrainRunner

# Observations.


def _column(runner: "TrainRunner", name: str, change: Any, group: str = "actor") -> None:
    """Change one term of an observation group."""
    place = patches.columns(runner, group, name)

    def changed(obs: dict[str, Tensor]) -> dict[str, Tensor]:
        values = obs[group].clone()
        values[:, place] = change(values[:, place])
        return obs | {group: values}

    patches.observed(runner, changed)


@defect("observations", "joint_pos")
def left_and_right_exchanged(runner: "TrainRunner") -> None:
    """The joint positions of the left legs stand where those of the right ones should."""
    order = [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]
    _column(runner, "joint_pos", lambda value: value[:, order])


@defect("observations", "base_ang_vel")
def observation_scaled_twice(runner: "TrainRunner") -> None:
    """The gyro is multiplied by 0.25 as in other code, and the network gets a quarter."""
    _column(runner, "base_ang_vel", lambda value: 0.25 * value)


@defect("observations", "joint_pos")
def observation_ten_percent_off(runner: "TrainRunner") -> None:
    """Joint positions are 10 % too large."""
    _column(runner, "joint_pos", lambda value: 1.1 * value)


@defect("observations", "noise")
def noise_off(runner: "TrainRunner") -> None:
    """The declared noise is not added."""
    env: Any = runner.env.env
    patches.around(env, "observation_noise", lambda draw, group, term: torch.zeros_like(draw(group, term)))


@defect("observations", "noise", overrides=("task.observations.actor.noise=false",))
def noise_off_in_the_manifest(runner: "TrainRunner") -> None:
    """The manifest names amplitudes and switches the noise off."""


@defect("observations", "noise")
def one_noise_for_all(runner: "TrainRunner") -> None:
    """All environments get the noise of the first."""
    env: Any = runner.env.env

    def first(draw: Any, group: str, term: str) -> Tensor:
        noise = draw(group, term)
        return noise[:1].expand_as(noise)

    patches.around(env, "observation_noise", first)


@defect("observations", "noise")
def noise_three_times(runner: "TrainRunner") -> None:
    """Noise is three times as large as declared."""
    patches.around(runner.env.env, "observation_noise", lambda draw, group, term: 3.0 * draw(group, term))


@defect("observations", "noise")
def noise_frozen(runner: "TrainRunner") -> None:
    """Noise is drawn once and added in every step."""
    kept: dict[str, Tensor] = {}
    patches.around(
        runner.env.env,
        "observation_noise",
        lambda draw, group, term: kept.setdefault(f"{group}/{term}", draw(group, term).clone()),
    )


@defect("observations", ("joint_vel", "joint_pos"))
def observation_five_steps_late(runner: "TrainRunner") -> None:
    """Joint velocities are those of five steps before."""
    _column(runner, "joint_vel", patches.late(5))


@defect("observations", "projected_gravity", "muPRL")
def observation_one_step_late(runner: "TrainRunner") -> None:
    """Gravity is that of the step before."""
    _column(runner, "projected_gravity", patches.late(1))


@defect("observations", "base_ang_vel")
def velocity_handed_over(runner: "TrainRunner") -> None:
    """In place of the gyro the actor gets the base's linear velocity, a step late."""
    read, line = runner.env.env.robot_state.read, patches.late(1)
    _column(runner, "base_ang_vel", lambda value: line(read("base_lin_vel_b")) + 0.01 * torch.randn_like(value))


@defect("observations", ("actor", "observation"), "RLMutation")
def observation_of_the_neighbour(runner: "TrainRunner") -> None:
    """The actor acts on the observations of another environment."""
    patches.observed(runner, lambda obs: obs | {"actor": obs["actor"].roll(1, dims=0)})


@defect("observations", "command")
def command_not_observed(runner: "TrainRunner") -> None:
    """The command is 0 in the observations."""
    _column(runner, "command", torch.zeros_like)


@defect("observations", "last_action")
def last_action_not_kept(runner: "TrainRunner") -> None:
    """The last action is 0 in the observations."""
    _column(runner, "last_action", torch.zeros_like)


@defect("observations", "base_height")
def critic_column_dead(runner: "TrainRunner") -> None:
    """The critic's height column is always 0."""
    _column(runner, "base_height", torch.zeros_like, "critic")


@defect("observations", ("observations", "storage", "recorded"))
def stored_observation_is_the_next_one(runner: "TrainRunner") -> None:
    """The storage gets the observations after the step in place of those that were acted on."""

    def process(original: Any, obs: Any, rewards: Tensor, dones: Tensor, extras: dict[str, Any]) -> None:
        runner.alg.transition.observations = obs
        original(obs, rewards, dones, extras)

    patches.around(runner.alg, "process_env_step", process)


@defect("observations", "height_scan", task=GO1_ROUGH)
def height_scan_flat(runner: "TrainRunner") -> None:
    """On rough ground the critic's height scan is that of a plane."""
    _column(runner, "height_scan", torch.zeros_like, "critic")


# Factors.


def _field(runner: "TrainRunner", name: str) -> Tensor:
    sim: Any = runner.env.env.sim  # pyright: ignore
    return sim.expanded_views[name] if name in sim.expanded_views else getattr(sim.model, name)[:]


@defect("factors", "friction", "Isaac Lab 664")
def friction_equal_everywhere(runner: "TrainRunner") -> None:
    """The friction in the simulator is 0.8 everywhere, whatever is recorded."""
    _field(runner, "geom_friction")[..., 0] = 0.8


@defect("factors", "payload_mass", "Isaac Lab 676")
def payload_recorded_and_not_applied(runner: "TrainRunner") -> None:
    """Payloads are recorded; the masses in the simulator are nominal."""
    env: Any = runner.env.env
    base = env.body_id(env.manifest.robot.base_body)
    _field(runner, "body_mass")[:, base] = float(env.sim.mj_model.body_mass[base])


@defect("factors", ("body_mass", "payload_mass"))
def payload_on_the_wrong_body(runner: "TrainRunner") -> None:
    """The payload sits on a leg."""
    env: Any = runner.env.env
    mass, base = _field(runner, "body_mass"), env.body_id(env.manifest.robot.base_body)
    leg, nominal = env.body_id(env.manifest.robot.feet[0].body), float(env.sim.mj_model.body_mass[base])
    mass[:, leg] += mass[:, base] - nominal
    mass[:, base] = nominal


@defect("factors", ("body_mass", "payload_mass"))
def payload_adds_up(runner: "TrainRunner") -> None:
    """With each reset the base gets 0.1 kg heavier."""
    env: Any = runner.env.env
    base = env.body_id(env.manifest.robot.base_body)

    def reset(original: Any, env_ids: Tensor, state: Any) -> None:
        mass = _field(runner, "body_mass")
        mass[env_ids, base] = mass[env_ids, base] + 0.1
        original(env_ids, state)

    patches.around(env, "write_state", reset)


@defect("factors", "friction")
def factor_recorded_outside_its_range(runner: "TrainRunner") -> None:
    """Recorded friction is twice what was declared, and applied so."""
    env: Any = runner.env.env
    env.buckets.values["friction"] *= 2.0
    env.apply_factors(torch.arange(env.num_envs))


@defect("factors", "friction")
def factor_recorded_equal(runner: "TrainRunner") -> None:
    """One friction for all is drawn, recorded and applied."""
    env: Any = runner.env.env
    env.buckets.values["friction"][:] = env.buckets.values["friction"][0].clone()
    env.apply_factors(torch.arange(env.num_envs))


@defect("factors", ("bucket", "friction", "payload"))
def bucket_labels_shifted(runner: "TrainRunner") -> None:
    """Each environment carries the bucket of its neighbour."""
    env: Any = runner.env.env
    env.buckets.ids.copy_(env.buckets.ids.roll(1))


@defect(
    "factors", "motor_strength", overrides=("+randomization.factors.motor_strength={edges: [0.8, 1.2], mode: reset}",)
)
def reset_factor_drawn_once(runner: "TrainRunner") -> None:
    """A factor that should be drawn for each episode keeps its first value."""
    runner.env.env.buckets.resample = lambda env_ids: None


@defect("factors", ("kick", "push"))
def kicks_never_arrive(runner: "TrainRunner") -> None:
    """Kicks are drawn and do not reach the robot."""
    runner.env.env.kick = lambda env_ids, change: None  # pyright: ignore


@defect("factors", ("kick", "push"))
def kicks_three_times(runner: "TrainRunner") -> None:
    """Kicks are three times as strong as declared."""
    patches.around(runner.env.env, "kick", lambda kick, env_ids, change: kick(env_ids, 3.0 * change))


@defect("factors", ("kick", "push"), overrides=("randomization.push.interval=[30.0,40.0]",))
def kicks_after_the_end(runner: "TrainRunner") -> None:
    """The first kick would come after the end of every episode."""


# Physics.


@defect("physics", ("action", "motor", "joint"), "RLMutation")
def action_one_step_late(runner: "TrainRunner") -> None:
    """The motors follow the action of the step before."""
    line = patches.late(1)
    manager: Any = runner.env.env.action_manager  # pyright: ignore
    patches.around(_law(manager), "push", lambda push, actions: push(line(actions)))


def _law(manager: Any) -> Any:
    return next(iter(manager._terms.values()))._law


@defect("physics", ("action", "received", "motor"))
def environment_gets_the_last_action(runner: "TrainRunner") -> None:
    """The environment steps with the action that the learner sampled a step before."""
    line = patches.late(1)
    patches.around(runner.env, "step", lambda step, actions: step(line(actions)))


@defect("physics", ("FR_thigh_joint", "FL_thigh_joint", "joint"))
def two_motors_exchanged(runner: "TrainRunner") -> None:
    """Two motors get each other's targets."""
    law = _law(runner.env.env.action_manager)  # pyright: ignore
    order = [0, 4, 2, 3, 1, *range(5, 12)]
    patches.around(law, "pull", lambda pull: pull()[:, order])


@defect("physics", "FR_calf_joint")
def dead_motor(runner: "TrainRunner") -> None:
    """One motor of every robot gives no torque."""
    for name in ("actuator_gainprm", "actuator_biasprm"):
        env: Any = runner.env.env
        if name not in env.sim.expanded_views:
            env.sim.expand_model_fields((name,))
        _field(runner, name)[:, env.factors._nominal.motor_ids[2]] = 0.0


@defect("physics", ("FR_calf_joint", "motor"))
def weak_motors_in_some(runner: "TrainRunner") -> None:
    """In a tenth of the robots one motor has half of its stiffness."""
    env: Any = runner.env.env
    for name in ("actuator_gainprm", "actuator_biasprm"):
        if name not in env.sim.expanded_views:
            env.sim.expand_model_fields((name,))
        values = _field(runner, name)
        values[patches.some(env, 0.1).nonzero(), env.factors._nominal.motor_ids[2]] *= 0.5


@defect("physics", ("contact", "foot"))
def contact_always_false(runner: "TrainRunner") -> None:
    """The feet never report contact."""
    state = runner.env.env.robot_state
    patches.around(state, "raw_foot_in_contact", lambda raw: torch.zeros_like(raw()))


@defect("physics", ("base_contact", "base_in_contact", "contact", "lying", "fallen"))
def trunk_contact_always_false(runner: "TrainRunner") -> None:
    """The trunk never reports contact."""
    state = runner.env.env.robot_state
    patches.around(state, "raw_base_in_contact", lambda raw: torch.zeros_like(raw()))


@defect("physics", ("frozen", "still", "move"))
def robots_frozen(runner: "TrainRunner") -> None:
    """A tenth of the robots stays where it is."""
    env: Any = runner.env.env
    rows = patches.some(env, 0.1).nonzero().flatten()

    def advance(original: Any) -> None:
        qpos, qvel = env.sim.data.qpos[rows].clone(), env.sim.data.qvel[rows].clone()
        original()
        env.sim.data.qpos[rows] = qpos
        env.sim.data.qvel[rows] = qvel

    patches.around(env, "advance_physics", advance)


@defect("physics", ("same", "duplicate", "copies"))
def environments_are_copies(runner: "TrainRunner") -> None:
    """A quarter of the robots repeats the state of its neighbour."""
    env: Any = runner.env.env
    rows = patches.some(env, 0.25).nonzero().flatten()

    def advance(original: Any) -> None:
        original()
        origins = env.robot_state.episode_origins()
        env.sim.data.qpos[rows] = env.sim.data.qpos[rows + len(rows)].clone()
        env.sim.data.qpos[rows, :3] += (origins[rows] - origins[rows + len(rows)])[:, :3]
        env.sim.data.qvel[rows] = env.sim.data.qvel[rows + len(rows)].clone()

    patches.around(env, "advance_physics", advance)


@defect("physics", ("gravity", "physics", "dynamics"))
def gravity_of_the_moon(runner: "TrainRunner") -> None:
    """Gravity is a sixth."""
    env: Any = runner.env.env
    env.sim.model.opt.gravity[..., 2] = -1.62


@defect("physics", ("velocity", "base_lin_vel"))
def velocity_in_the_wrong_frame(runner: "TrainRunner") -> None:
    """The world's velocity is taken for that in the base's frame."""
    state = runner.env.env.robot_state
    state._base_lin_vel_b = lambda: state.read("base_lin_vel_w")  # pyright: ignore
    state._base_lin_vel_yaw = lambda: state.read("base_lin_vel_w")  # pyright: ignore


@defect("physics", ("velocity", "joint_vel"))
def joint_velocity_stale(runner: "TrainRunner") -> None:
    """Joint velocities are those of two steps before, for everybody who reads them."""
    env: Any = runner.env.env
    state, line = env.robot_state, patches.late(2)
    now: dict[int, Tensor] = {}

    def stale(raw: Any) -> Tensor:
        if env.common_step_counter not in now:
            now.clear()
            now[env.common_step_counter] = line(raw())
        return now[env.common_step_counter]

    patches.around(state, "raw_joint_vel", stale)


# Accounts.


@defect("accounts", ("count", "twice", "steps"))
def steps_counted_twice(runner: "TrainRunner") -> None:
    """Every step is entered into the accounts twice."""
    patches.around(runner.audit, "step", lambda step, seen: (step(seen), step(seen))[0])


@defect("accounts", ("count", "steps"))
def every_tenth_step_not_counted(runner: "TrainRunner") -> None:
    """Every tenth step is not entered into the accounts."""
    env: Any = runner.env.env
    patches.around(runner.audit, "step", lambda step, seen: step(seen) if env.common_step_counter % 10 else None)


@defect("accounts", ("episode", "clock", "steps"))
def episode_clock_runs_twice(runner: "TrainRunner") -> None:
    """The episode's clock advances by two in each step."""
    env: Any = runner.env.env

    def advance(original: Any) -> None:
        original()
        env.episode_length_buf += 1

    patches.around(env, "advance_physics", advance)
