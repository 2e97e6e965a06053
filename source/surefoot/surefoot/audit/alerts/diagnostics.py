"""The accounts beside reward, terminations, buckets and faults: what suggests a mistake in the task."""

import torch

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.action_account import ActionAccount
from surefoot.audit.accounts.step import AuditLayout
from surefoot.audit.alerts.constant_terms import ConstantTerms
from surefoot.audit.alerts.standing import Standing
from surefoot.manifest.diagnostics import Diagnostics


def diagnostic_accounts(layout: AuditLayout, config: Diagnostics, device: str | torch.device) -> list[Account]:
    """The accounts whose metrics `DiagnosticRules` reads."""
    return [ConstantTerms(layout, device), Standing(layout, config.standing, device), ActionAccount(layout, device)]
