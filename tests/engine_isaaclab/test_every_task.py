"""Every registered task on the Isaac Lab that is here: by this project's engine and by its id in Gymnasium."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from composed_tasks import composed, small_ground
from engines_here import FIRM, isaaclab_backend, make_isaaclab_env
from surefoot_tasks import list_tasks

NUM = 6
STEPS = 200
DRAWN_ANEW = ("randomization.factors.friction.mode=reset", "randomization.factors.payload_mass.mode=reset")


@pytest.fixture(autouse=True)
def _one_thread(isaaclab: str) -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=list_tasks())
def env(request: pytest.FixtureRequest) -> Iterator[Any]:
    # What this engine's warning names: with softer contacts Newton throws a foot out of its height field now and then.
    soft = "Rough" in request.param and isaaclab_backend() == "newton_mjwarp"
    built = make_isaaclab_env(composed(request.param, *DRAWN_ANEW, *(FIRM if soft else ())), num_envs=NUM)
    yield built
    built.close()


def test_it_steps_and_resets_and_the_physics_holds_what_was_drawn(env: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    nominal, feet = float(env._model.mj.body_mass.sum()), len(env.manifest.robot.feet)
    ended, loads = torch.zeros(NUM, dtype=torch.long), []
    for _ in range(STEPS):
        result = env.step(2.0 * torch.randn(NUM, env.action_manager.total_action_dim, generator=generator))
        assert not result.faults.any()
        assert all(torch.isfinite(group).all() for group in result.observations.values())
        assert torch.isfinite(result.reward).all()
        ended += result.terminated | result.truncated
        payload, friction = (env.buckets.values[name] for name in ("payload_mass", "friction"))
        assert torch.allclose(env.total_mass(), nominal + payload, atol=1e-4)
        assert torch.isclose(env.handle.friction(), friction.unsqueeze(1)).sum(dim=1).min() >= feet
        loads.append(payload.clone())
    names, apart = env.model_deviations()
    assert len(names) == len(apart) and float(apart.max()) < 1e-5
    assert ended.sum() > NUM, "too few resets to say anything"
    assert len(torch.stack(loads).unique()) == NUM + int(ended.sum())  # one draw an episode, no two alike


def test_a_model_that_is_not_the_recorded_robot_is_named(isaaclab: str) -> None:
    """One foot of one robot, one link and one joint, each by a tenth."""
    env = make_isaaclab_env(composed(list_tasks()[0], *DRAWN_ANEW), num_envs=NUM)
    try:
        env.reset()
        handle, one, foot = env.handle, torch.tensor([2]), env.factors.feet[1:2]
        handle.write_friction(one, foot, handle.friction()[2:3, foot.cpu()] * 1.1)
        mass = handle.masses()[2:3].clone()
        mass[:, 3] *= 1.1
        handle.write_masses(one, mass)
        armature = handle.joint_parameter("armature")[2:3].clone()
        armature[:, 5] *= 1.1
        handle.write_joint_parameter("armature", one, armature)
        found = {name: float(share) for name, share in zip(*env.model_deviations(), strict=True) if share > 1e-4}
        robot, geoms = env.scene["robot"], env.manifest.robot.foot_geoms(env.manifest.simulation.contact_model)
        assert set(found) == {
            f"friction of {geoms[1][0]}",
            f"mass of {robot.body_names[3]}",
            f"armature of {robot.joint_names[5]}",
        }
        assert all(0.02 < share < 0.11 for share in found.values()), found  # of the largest in the batch
    finally:
        env.close()


def set_in(plain: dict[str, Any], key: str, value: str) -> None:
    """What Hydra does with `env.manifest.KEY=VALUE`."""
    *parents, last = key.split(".")
    for part in parents:
        plain = plain[part]
    plain[last] = json.loads(value)


@pytest.mark.parametrize("task", list_tasks())
def test_its_id_gives_the_same_environment(isaaclab: str, task: str) -> None:
    """Gymnasium's interface on the same simulation: equal starts, and the reward of each step."""
    import gymnasium
    from isaaclab_tasks.utils import parse_env_cfg
    from isaaclab_tasks.utils.parse_cfg import load_cfg_from_registry

    from surefoot_tasks.registration import register

    register()
    manifest = composed(task, f"training.num_envs={NUM}")
    if isaaclab == "2.3":
        cfg = parse_env_cfg(task, device="cpu", num_envs=NUM)
    else:
        from isaaclab_tasks.utils.hydra import resolve_presets

        cfg = resolve_presets(load_cfg_from_registry(task, "env_cfg_entry_point"), selected=(isaaclab_backend(),))
        cfg.scene.num_envs = NUM
    for override in small_ground(manifest):
        set_in(cfg.manifest, *override.split("="))
    registered = gymnasium.make(task, cfg=cfg)
    still = torch.zeros(NUM, registered.unwrapped.action_manager.total_action_dim)
    first, _ = registered.reset()
    rewards = [registered.step(still)[1].clone() for _ in range(5)]
    registered.close()
    own = make_isaaclab_env(manifest, num_envs=NUM)
    try:
        for name, group in own.reset().items():
            assert torch.allclose(first[name], group, atol=1e-5), name
        for reward in rewards:
            assert torch.allclose(own.step(still).reward, reward, atol=1e-5)
    finally:
        own.close()
