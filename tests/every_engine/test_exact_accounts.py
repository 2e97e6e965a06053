"""The accounts of a real rollout agree with plain Python, faults among its steps."""

import math
from collections.abc import Callable
from typing import Any

import torch

import engines_here
from audit_reference import Reference, as_tensors
from surefoot.audit.accounts.accounts import Accounts
from surefoot.audit.accounts.metrics import check_flush
from surefoot.audit.accounts.observe import audit_layout
from surefoot.manifest import Manifest, override_manifest
from surefoot_tasks import audit_config

NUM = 16
OVERRIDES = ["task.episode_length=0.4", "randomization.factors.friction.mode=reset"]


def test_every_metric_of_200_steps_equals_plain_python(
    engine: str, make_env: Callable[..., Any], go1_manifest: Manifest
) -> None:
    # With soft contacts Newton adds faults of its own, 7 in these 3,200 steps: those planted could not be counted.
    firm = engines_here.FIRM if engines_here.physics(engine) == "newton_mjwarp" else ()
    manifest = override_manifest(go1_manifest, [*OVERRIDES, *firm])
    env = make_env(manifest, num_envs=NUM)
    layout, config = audit_layout(manifest, env.buckets), audit_config()
    accounts, reference = Accounts(layout, config, "cpu"), Reference(layout, config)
    generator = torch.Generator().manual_seed(0)
    seen: dict[str, float] = {}
    for number in range(1, 201):
        action = 2.0 * torch.randn(NUM, 12, generator=generator)
        if number % 13 == 0:
            action[number % NUM, 3] = math.nan
        step = env.step(action).audit
        accounts.step(step)
        reference.step(step)
        if number % 67 == 0 or number == 200:
            flush, expected = accounts.flush(), as_tensors(reference.flush())
            check_flush(flush, accounts.axes)
            assert flush.keys() == expected.keys()
            for name, value in expected.items():
                same = torch.isclose(flush[name], value, rtol=1e-9, atol=1e-12, equal_nan=True).all()
                assert same, f"{name}: {flush[name]} instead of {value}"
            for name in ("termination/time_outs", "fault/invalid_steps", "reward/steps"):
                seen[name] = seen.get(name, 0.0) + float(flush[name])
    assert seen["fault/invalid_steps"] == 200 // 13
    assert seen["reward/steps"] == 200 * NUM - 200 // 13
    assert seen["termination/time_outs"] > NUM
