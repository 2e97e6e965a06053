"""PPO on made-up rollouts of the Go1 task's shapes."""

from types import SimpleNamespace
from typing import Any

import torch
from rsl_rl.algorithms import PPO
from tensordict import TensorDict

from surefoot.manifest import compose_manifest
from surefoot.mdp.observation_layout import observation_mirror
from surefoot.rl.config import runner_config
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
NUM_ENVS, STEPS = 24, 6


def make_ppo(cls: type[PPO], *overrides: str, threads: int = 1, num_envs: int = NUM_ENVS, steps: int = STEPS) -> Any:
    """The algorithm with freshly seeded networks."""
    manifest = compose_manifest(manifest_root(), TASK, ["ppo.num_mini_batches=3", *overrides])
    config = runner_config(manifest, threads) | {"multi_gpu": None, "num_steps_per_env": steps}
    config["algorithm"]["class_name"] = cls
    if cls is PPO:
        del config["algorithm"]["threads"], config["algorithm"]["max_learning_rate"]
    sizes = {name: len(observation_mirror(manifest, name).index) for name in ("actor", "critic")}
    torch.manual_seed(0)
    obs = TensorDict({name: torch.zeros(num_envs, size) for name, size in sizes.items()}, batch_size=[num_envs])
    env = SimpleNamespace(num_envs=num_envs, num_actions=len(manifest.robot.joints))
    algorithm = PPO.construct_algorithm(obs, env, config, "cpu")  # pyright: ignore[reportArgumentType]
    algorithm.train_mode()
    return algorithm


def random_obs(like: TensorDict, generator: torch.Generator) -> TensorDict:
    return TensorDict(
        {key: torch.randn(value.shape[-2:], generator=generator) for key, value in like.items()},
        batch_size=[like.batch_size[-1]],
    )


def fill(algorithm: Any, seed: int, extras: Any = lambda step: {}, spoil: Any = lambda step, obs, reward: None) -> None:
    """One rollout; `extras(step)` is added to each step's extras, `spoil` may write into what the step gave."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    count = algorithm.storage.num_envs
    obs = random_obs(algorithm.storage.observations, generator)
    with torch.inference_mode():
        for step in range(algorithm.storage.num_transitions_per_env):
            algorithm.act(obs)
            obs = random_obs(algorithm.storage.observations, generator)
            reward = 0.1 * torch.randn(count, generator=generator)
            done = torch.rand(count, generator=generator) < 0.1
            time_out = done & (torch.rand(count, generator=generator) < 0.5)
            spoil(step, obs, reward)
            algorithm.process_env_step(obs, reward, done.long(), {"time_outs": time_out} | extras(step))
        algorithm.compute_returns(obs)


def weights(algorithm: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for net in (algorithm.actor, algorithm.critic) for p in net.parameters()])
