"""Numbers of the PPO update and of the iteration as a whole."""

from collections.abc import Mapping

import torch

from surefoot.audit.accounts.metrics import Flush, define

_MEAN = "mean over the mini-batches of the iteration"
_VALID = "over the valid transitions, before normalisation"
LEARNING: dict[str, str] = {
    "value": define("learning/value_loss", "-", f"{_MEAN}, of PPO's value loss"),
    "surrogate": define("learning/surrogate_loss", "-", f"{_MEAN}, of PPO's clipped surrogate loss"),
    "entropy": define("learning/entropy", "nat", f"{_MEAN}, of the entropy of the action distribution"),
    "symmetry": define("learning/symmetry_loss", "-", f"{_MEAN}, of RSL-RL's mirror loss; absent without it"),
    "kl": define("learning/kl", "nat", f"{_MEAN}, of the KL divergence from the policy that acted"),
    "clipped_share": define("learning/clipped_share", "-", f"{_MEAN}, of the share of samples with a clipped ratio"),
    "actor_grad_norm": define("learning/actor_grad_norm", "-", f"{_MEAN}, of the gradient's norm before clipping"),
    "critic_grad_norm": define("learning/critic_grad_norm", "-", f"{_MEAN}, of the gradient's norm before clipping"),
    "advantage_mean": define("learning/advantage_mean", "-", f"mean advantage {_VALID}"),
    "advantage_std": define("learning/advantage_std", "-", f"standard deviation of the advantage {_VALID}"),
    "advantage_min": define("learning/advantage_min", "-", f"smallest advantage {_VALID}"),
    "advantage_max": define("learning/advantage_max", "-", f"largest advantage {_VALID}"),
    "explained_variance": define(
        "learning/explained_variance", "-", f"1 - variance(return - value) / variance(return) {_VALID}"
    ),
    "log_ratio": define(
        "learning/log_ratio",
        "-",
        "mean over the first mini-batch, before its step, of |log probability now - when acted|; what the "
        "normalisers have moved meanwhile",
    ),
    "pairing": define(
        "learning/pairing", "-", "correlation over the first mini-batch of the advantage with return - value; 1"
    ),
    "learning_rate": define("learning/learning_rate", "-", "learning rate after the update"),
    "action_std": define("learning/action_std", "-", "mean over actions, of the policy's standard deviation"),
    "action_std_min": define("learning/action_std_min", "-", "smallest over actions, of the same"),
}
"""Metric by the name that the update gives it."""

SAMPLES = define("run/samples", "steps", "environment steps since the start of the run, over all environments")
SECONDS = define("run/seconds", "s", "wall-clock of the iteration, without checkpoints")
PHYSICS = define("run/physics_seconds", "s", "wall-clock inside the simulator; NaN where it is not known")
ENV = define("run/env_seconds", "s", "wall-clock of the environments' steps, physics included")
AUDIT = define("run/audit_seconds", "s", "wall-clock of the accounts: copies of steps, sums, rules, record")
LEARN = define("run/learn_seconds", "s", "wall-clock of the update")
EVENTS = define("run/event_seconds", "s", "wall-clock of jobs written and results read since the last iteration")
WRITE_FAILURES = define(
    "run/write_failures", "-", "attempts of loggers and record to write that failed since the start"
)


def learning_flush(numbers: Mapping[str, float]) -> Flush:
    """Metrics of the update from its numbers by name; those without a metric are left out."""
    return host_numbers({LEARNING[name]: value for name, value in numbers.items() if name in LEARNING})


def host_numbers(numbers: Mapping[str, float]) -> Flush:
    """Plain numbers as a flush."""
    return {name: torch.tensor(float(value), dtype=torch.float64) for name, value in numbers.items()}
