"""What is proved before the first iteration, on every engine: nothing of a sound task, and each planted fault."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

import engines_here
from composed_tasks import composed
from surefoot.rl.preflight import preflight

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


@pytest.fixture(scope="module")
def env(engine: str) -> Iterator[Any]:
    builder = engines_here.Builder(engine)
    built = builder(composed(TASK), num_envs=16)
    built.reset()
    yield built
    builder.close()


def kinds(env: Any) -> set[str]:
    with torch.inference_mode():
        return {finding.kind for finding in preflight(env)}


def test_a_sound_task_gives_no_finding_and_goes_on(env: Any) -> None:
    assert kinds(env) == set()
    still = torch.zeros(env.num_envs, 12)
    for _ in range(10):
        result = env.step(still)
    assert all(torch.isfinite(group).all() for group in result.observations.values())
    assert float(env.robot_state.read("base_height").min()) > 0.15  # nobody lies or hangs where the proof has put him
    assert len(env.episode_length_buf.unique()) > 4  # clocks are scattered


def test_kicks_that_do_not_arrive_are_found(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(env), "kick", lambda self, env_ids, change: None)
    assert "kicks" in kinds(env)


def test_falls_that_end_no_episode_are_found(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = env.termination_manager
    given = manager.get_term
    monkeypatch.setattr(manager, "get_term", lambda name: torch.zeros_like(given(name)))
    assert {"lying_robots", "episode_ends"} <= kinds(env)


def test_contact_that_is_never_told_is_found(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = env.robot_state.read

    def blind(name: str) -> torch.Tensor:
        value = read(name)
        return torch.zeros_like(value) if name.endswith("_in_contact") else value

    monkeypatch.setattr(env.robot_state, "read", blind)
    assert "dead_contact" in kinds(env)
