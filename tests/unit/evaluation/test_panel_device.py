"""A device that is not there is one line, before any checkpoint is read onto it."""

from pathlib import Path

import pytest

from surefoot.errors import EngineError
from surefoot.evaluation.evaluate import evaluate_checkpoint
from surefoot.machine import Machine
from surefoot_tasks import manifest_root


def test_a_gpu_that_is_not_there_is_refused_first(tmp_path: Path) -> None:
    nowhere, manifests = tmp_path / "model_1.pt", manifest_root()
    with pytest.raises(EngineError, match="'cuda:99' is not there"):
        evaluate_checkpoint(nowhere, manifests=manifests, machine=Machine(device="cuda:99"))
