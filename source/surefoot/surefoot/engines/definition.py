"""What the managers of an environment hold, as plain values: names, sizes, weights, time steps."""

from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surefoot.engines.task_env import TaskEnv


def definition(env: "TaskEnv") -> dict[str, Any]:
    """Read from the simulator's managers, not from the manifest.

    Returns:
        `observations`: by group, name and size of each term, in order. `rewards`: name and weight. `terminations`: name
        and whether it is a time-out. `step_dt`, s. `decimation`. `episode_steps`: of a full episode.
    """
    observations, rewards, terminations = env.observation_manager, env.reward_manager, env.termination_manager
    return {
        "observations": {
            group: [
                [name, prod(size)] for name, size in zip(names, observations.group_obs_term_dim[group], strict=True)
            ]
            for group, names in observations.active_terms.items()
        },
        "rewards": [[name, float(rewards.get_term_cfg(name).weight)] for name in rewards.active_terms],
        "terminations": [[name, bool(terminations.get_term_cfg(name).time_out)] for name in terminations.active_terms],
        "step_dt": float(env.step_dt),
        "decimation": int(env.cfg.decimation),
        "episode_steps": int(env.max_episode_length),
    }
