"""Nothing in a step waits for the device. On the meta device tensors have no values: whoever reads one fails."""

from dataclasses import fields

import pytest
import torch

from manager_env import ManagerEnv
from streams import Walkers, layout
from surefoot.audit.accounts.accounts import Accounts
from surefoot.audit.accounts.step import AuditStep
from surefoot.audit.alerts.diagnostics import diagnostic_accounts
from surefoot.audit.alerts.leak import LeakDetector
from surefoot.audit.attach import attach_to_managers
from surefoot_tasks import audit_config

STEPS = 100
"""More than the accounts keep before they add up."""


def test_steps_of_the_accounts():
    names, config = layout(), audit_config()
    accounts = Accounts(names, config, "meta", diagnostic_accounts(names, config.diagnostics, "meta"))
    step = Walkers().step()
    blank = AuditStep(**{field.name: getattr(step, field.name).to("meta") for field in fields(AuditStep)})
    for _ in range(STEPS):
        accounts.step(blank)
    with pytest.raises(NotImplementedError, match="meta"):  # so a read does fail
        accounts.flush()


def test_steps_of_an_attached_environment():
    env = ManagerEnv(device="meta")
    attach_to_managers(env, audit_config())
    for _ in range(STEPS):
        env.step()


def test_looking_for_leaks():
    detector = LeakDetector(["a", "b"], ["c"], audit_config().diagnostics.leak, "meta", torch.tensor([0.1, 0.0]))
    for _ in range(3):
        detector.observe(torch.zeros(8, 2, device="meta"), torch.zeros(8, 1, device="meta"))
    with pytest.raises(NotImplementedError, match="meta"):
        detector.found()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: torch reports host waits only there")
def test_torch_reports_no_wait_on_a_gpu():
    names, config = layout(), audit_config()
    accounts = Accounts(names, config, "cuda", diagnostic_accounts(names, config.diagnostics, "cuda"))
    step = Walkers().step()
    on_gpu = AuditStep(**{field.name: getattr(step, field.name).to("cuda") for field in fields(AuditStep)})
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(STEPS):
            accounts.step(on_gpu)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert float(accounts.flush()["reward/steps"]) == STEPS * names.num_envs
