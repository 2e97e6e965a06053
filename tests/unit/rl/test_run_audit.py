"""The accounts of a run, on environments without a simulator."""

import pytest
import torch

from scripted_panel import ScriptedPanelEnv, drawn_panel
from surefoot.audit.accounts.factor_values import MAX
from surefoot.audit.accounts.metrics import Flush
from surefoot.rl.run_audit import RunAudit


class Recorded(ScriptedPanelEnv):
    """With the manifest's window shortened; no step is taken."""

    def __init__(self, window: int) -> None:
        super().__init__([], drawn_panel([(0.5, 0.0, 0.0)], replicates=36))
        self.manifest = self.manifest.model_copy(
            update={"audit": self.manifest.audit.model_copy(update={"window": window})}
        )

    def record_faults(self) -> None:
        pass


def end(audit: RunAudit, env: Recorded, iteration: int = 1) -> Flush:
    return audit.end_iteration(iteration, env.get_observations()["actor"], {}, 0.0).flush


def test_the_values_of_the_factors_are_in_every_iteration() -> None:
    env = Recorded(window=3)
    flush = end(RunAudit(env, None), env)
    assert flush[MAX].tolist() == [float(value.max()) for value in env.buckets.values.values()]
    assert len(flush[MAX]) > 0


def test_a_state_of_another_window_is_refused_and_the_accounts_go_on_as_new() -> None:
    saved, env = Recorded(window=1), Recorded(window=3)
    other, audit = RunAudit(saved, None), RunAudit(env, None)
    end(other, saved)
    before = audit.state_dict()
    with pytest.raises(ValueError, match=r"window\.ring: expected \(3, "):
        audit.load_state_dict(other.state_dict())
    _assert_equal(audit.state_dict(), before)
    end(audit, env)


def test_what_was_saved_is_restored() -> None:
    env = Recorded(window=3)
    saved, audit = RunAudit(env, None), RunAudit(env, None)
    end(saved, env)
    audit.load_state_dict(saved.state_dict())
    _assert_equal(audit.state_dict(), saved.state_dict())


def _assert_equal(one: object, other: object) -> None:
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in one:
            _assert_equal(one[key], other[key])
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        assert torch.equal(one.nan_to_num(9.0), other.nan_to_num(9.0))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for first, second in zip(one, other, strict=True):
            _assert_equal(first, second)
    else:
        assert one == other
