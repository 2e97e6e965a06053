"""What watches a training, put together once: for our own runs and for environments that are not ours."""

from collections.abc import Mapping, Sequence

import torch

from surefoot.audit.accounts.accounts import Accounts
from surefoot.audit.accounts.step import AuditLayout
from surefoot.audit.alerts.account_rules import AccountRules, Sign
from surefoot.audit.alerts.alerts import Alerts, Rules
from surefoot.audit.alerts.diagnostic_rules import DiagnosticRules
from surefoot.audit.alerts.diagnostics import diagnostic_accounts
from surefoot.audit.alerts.task_rules import TaskRules
from surefoot.manifest.audit import Audit


def accounts_and_alerts(
    layout: AuditLayout,
    config: Audit,
    device: str | torch.device,
    signs: Mapping[str, Sign] | None = None,
    further: Sequence[Rules] = (),
    weights: Mapping[str, float] | None = None,
) -> tuple[Accounts, Alerts, TaskRules]:
    """What every control step goes to, and what is asked after each iteration.

    Args:
        layout: Terms, causes and buckets of the environment.
        config: Thresholds.
        device: Of the environment's tensors.
        signs: What each reward term may do; by default what `config` declares.
        further: Rules that are asked after those of the accounts.
        weights: Of the reward terms, where a manifest says them.
    """
    accounts = Accounts(layout, config, device, diagnostic_accounts(layout, config.diagnostics, device))
    task = TaskRules(layout, config, config.reward.expected_sign if signs is None else signs, weights)
    rules = (AccountRules(layout, config, signs), DiagnosticRules(layout, config.diagnostics), task, *further)
    return accounts, Alerts(config, rules), task
