"""How a running training is patched: functions and methods of single objects, put around the original."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor


def around(owner: Any, name: str, changed: Callable[..., Any]) -> None:
    """Let `changed(original, *args, **kwargs)` stand in place of a method of one object."""
    original = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: changed(original, *args, **kwargs))


def term(env: Any, name: str, change: Callable[[Tensor], Tensor]) -> None:
    """Change what one reward term gives."""
    around_func(env.reward_manager.get_term_cfg(name), change)


def ending(env: Any, name: str, change: Callable[[Tensor], Tensor]) -> None:
    """Change what one termination term says."""
    around_func(env.termination_manager.get_term_cfg(name), change)


def around_func(cfg: Any, change: Callable[[Tensor], Tensor]) -> None:
    """Change what a manager's term returns."""
    original = cfg.func
    cfg.func = lambda env, **params: change(original(env, **params))


def received(runner: Any, change: Callable[[Any, Tensor, Tensor, dict[str, Any]], tuple[Any, Any, Any, Any]]) -> None:
    """Change what the learner is handed after a step: observations, reward, dones, extras."""
    around(runner.env, "step", lambda step, actions: change(*step(actions)))


def observed(runner: Any, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    """Change the observations that an environment gives, by group, after they were computed."""

    def compute(original: Any, *args: Any, **kwargs: Any) -> Any:
        return change(dict(original(*args, **kwargs)))

    around(runner.env.env.observation_manager, "compute", compute)


def result(runner: Any, change: Callable[[Any], dict[str, Any]]) -> None:
    """Change fields of what a step of the environment gives, the accounts' part included."""

    def step(original: Any, actions: Tensor) -> Any:
        found = original(actions)
        return replace(found, **change(found))

    around(runner.env.env, "step", step)


def columns(runner: Any, group: str, name: str) -> slice:
    """Where an observation term stands in its group's vector."""
    from surefoot.mdp.observation_layout import observation_layout

    block = next(b for b in observation_layout(runner.manifest, group) if b.name == name)  # pyright: ignore
    return slice(block.start, block.stop)


def late(steps: int) -> Callable[[Tensor], Tensor]:
    """A line that gives what was put in so many calls before; at first the oldest there is."""
    kept: list[Tensor] = []

    def push(value: Tensor) -> Tensor:
        kept.append(value.clone())
        return kept.pop(0) if len(kept) > steps else kept[0]

    return push


def some(env: Any, share: float) -> Tensor:
    """The first environments, a share of all. Shape (num_envs,), bool."""
    return torch.arange(env.num_envs, device=env.device) < share * env.num_envs
