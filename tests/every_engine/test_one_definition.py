"""A task is defined once: what changes in a term function or in the manifest changes on every engine."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from surefoot.audit.accounts.fault_kinds import FAULT_KINDS
from surefoot.manifest import Manifest, override_manifest
from surefoot.mdp import registry
from surefoot.mdp.observation_layout import observation_layout

NUM = 4
OVERRIDES = [
    "task.rewards.track_ang_vel_z.weight=2.5", "task.observations.actor.noise=false",
    "randomization.factors={}", "randomization.bucket_by=[]",
]  # fmt: skip


def test_a_changed_term_and_a_changed_manifest_arrive(
    make_env: Callable[..., Any], go1_manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reward of 3 with weight 2.5, joints that are always seen at 0.25 rad, the end of environment 2."""

    def track_ang_vel_z_exp(command: Tensor, std: float) -> Tensor:
        return torch.full((len(command),), 3.0 * std / std)

    def joint_pos_rel(joint_pos_rel: Tensor) -> Tensor:
        return torch.full_like(joint_pos_rel, 0.25)

    def bad_orientation(projected_gravity_b: Tensor, limit_angle: float) -> Tensor:
        return torch.arange(len(projected_gravity_b)) == 2

    for kind, func in (
        ("reward", track_ang_vel_z_exp),
        ("observation", joint_pos_rel),
        ("termination", bad_orientation),
    ):
        assert func.__name__ in registry._TERMS[kind]
        monkeypatch.setitem(registry._TERMS[kind], func.__name__, func)
    manifest = override_manifest(go1_manifest, OVERRIDES)
    env = make_env(manifest, num_envs=NUM)
    env.reset()
    step = env.step(torch.full((NUM, 12), 0.2))
    assert not step.faults.any(), [FAULT_KINDS[kind] for kind in step.faults.any(dim=0).nonzero().flatten().tolist()]

    rates = dict(zip(manifest.task.rewards, step.audit.rates.T, strict=True))
    torch.testing.assert_close(rates["track_ang_vel_z"].cpu(), torch.full((NUM,), 7.5))
    assert step.terminated.tolist() == [False, False, True, False]
    (block,) = [block for block in observation_layout(manifest, "actor") if block.func == "joint_pos_rel"]
    assert (step.observations["actor"][:, block.start : block.stop] == 0.25).all()
