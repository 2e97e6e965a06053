"""Asking the gate with run folders: champions, history, rollback, and what is refused in a line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gate_cases import report
from surefoot.errors import CheckpointError, LedgerError, PanelError
from surefoot.evaluation import gate_run
from surefoot.evaluation.gate_run import Asked, ask, roll_back
from surefoot.files import sha256_of
from surefoot.ledger.champions import champion, history, times_decided
from surefoot.ledger.decision import FOLDER, read_decision, write_decision
from surefoot.ledger.store import FILE_NAME, Ledger, run_folders
from surefoot.manifest import Manifest, validate
from surefoot.runs import run_folder
from surefoot.runs.checkpoint import save
from surefoot.runs.run_record import Totals, write_run_record

CELLS = [f"cell_{n}" for n in range(10)]


def make(root: Path, manifest: Manifest, won: int, seed: int = 1) -> Path:
    """A finished run whose policy wins so many of 8 episodes in every held-out cell."""
    manifest = validate(manifest.to_plain() | {"seed": seed, "promotion": {"control_margin": 0.5}}, "a test")
    run = run_folder.create(root, manifest, "cpu")
    content = {
        "actor_state_dict": {"won": torch.tensor([won])},
        "critic_state_dict": {},
        "iter": 1,
        "infos": {"format": 1, "manifest": json.dumps(manifest.to_plain())},
    }
    save(content, run / "model_1.pt")
    write_run_record(run, manifest, Totals(iterations=1, samples=10, seconds=1.0), "finished")
    return run


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """In place of a simulator, the number in the checkpoint; returns the seeds that were asked for."""
    asked: list[int | None] = []

    def measure(one: Any, panel: str, seed: int | None, *_: Any) -> dict[str, Any]:
        asked.append(seed)
        won = int(one.loaded.content["actor_state_dict"]["won"])
        episodes = {name: [1.0] * won + [0.0] * (8 - won) for name in CELLS} | {"control": [1.0] * 8}
        digest = sha256_of(one.path)
        return report(episodes, controls=("control",), panel=panel, checkpoint_sha256=digest, seed=seed)

    monkeypatch.setattr(gate_run, "_measure", measure)
    return asked


def gate(*runs: Path, against: list[Path] | None = None, **changes: Any):
    return ask(Asked(runs=runs, against=against, manifests=Path("."), **changes), lambda _: None)


def open_ledger(root: Path) -> Ledger:
    return Ledger(str(root / FILE_NAME))


def test_a_champion_is_replaced_by_a_better_policy_and_called_back(
    tmp_path: Path, go1_manifest: Manifest, seeds: list[int | None]
):
    a, b, c = (make(tmp_path, go1_manifest, won) for won in (4, 7, 3))
    first, path = gate(a)
    assert first.verdict == "promote" and first.champion is None and path is not None
    second, _ = gate(b)
    assert second.verdict == "promote" and second.replaces == first.sha256
    third, _ = gate(c)
    assert third.verdict == "refuse" and third.champion is not None and third.champion.run == b.name
    ledger = open_ledger(tmp_path)
    assert [(row["run"], row["champion"]) for row in history(ledger)] == [(a.name, ""), (b.name, "*")]
    assert times_decided(ledger, go1_manifest.name, "locomotion_v1") == 3
    assert (first.decided_before, second.decided_before, third.decided_before) == (0, 1, 2)

    back, _ = roll_back(a, "limps", None)
    assert back.note == "limps"
    found = champion(ledger, go1_manifest.name)
    assert found is not None and Path(found[1]) == a
    with pytest.raises(LedgerError, match=r"is the champion of .* already"):
        roll_back(a, "", None)
    with pytest.raises(LedgerError, match="was never champion"):
        roll_back(c, "", None)
    # All of it lies in the run folders.
    content = ledger.dump()
    ledger.rebuild(run_folders([tmp_path]))
    assert ledger.dump() == content


def test_both_meet_replicates_of_a_seed_that_is_drawn_when_the_gate_is_asked(
    tmp_path: Path, go1_manifest: Manifest, seeds: list[int | None]
):
    a, b = (make(tmp_path, go1_manifest, won) for won in (4, 7))
    first, _ = gate(a)
    second, _ = gate(b)
    assert len(seeds) == 3 and seeds[1] == seeds[2] and seeds[0] != seeds[1]
    assert (first.panel_seed, second.panel_seed) == (seeds[0], seeds[1])


def test_who_is_not_the_champion_crowns_nobody(tmp_path: Path, go1_manifest: Manifest, seeds: list[int | None]):
    a, b, c = (make(tmp_path, go1_manifest, won) for won in (4, 7, 2))
    gate(a)
    found, _ = gate(b, against=[c])
    assert found.verdict == "promote" and not found.crowns
    known = champion(open_ledger(tmp_path), go1_manifest.name)
    assert known is not None and Path(known[1]) == a


def test_two_champions_are_named_and_one_of_them_is_chosen(
    tmp_path: Path, go1_manifest: Manifest, seeds: list[int | None]
):
    a, b, c = (make(tmp_path, go1_manifest, won) for won in (4, 7, 8))
    first, _ = gate(a)
    other, _ = gate(b)
    # As a second machine would, which did not know of b.
    write_decision(c, other.model_copy(update={"candidate": other.candidate, "note": "elsewhere"}).sealed())
    with pytest.raises(LedgerError, match=r"has two champions: .*surefoot gate --rollback RUN"):
        gate(c)
    roll_back(c, "", None)
    known = champion(open_ledger(tmp_path), go1_manifest.name)
    assert known is not None and Path(known[1]) == c and first.sha256 != other.sha256


def test_trainings_that_speak_together_differ_in_their_seed_alone(
    tmp_path: Path, go1_manifest: Manifest, seeds: list[int | None]
):
    one, two, three = (make(tmp_path, go1_manifest, 7 - seed % 2, seed) for seed in (1, 2, 3))
    found, _ = gate(one, two, three)
    assert found.candidate.seeds == (1, 2, 3) and not any("trainings speak" in reason for reason in found.reasons)
    with pytest.raises(CheckpointError, match="one of them twice"):
        gate(one, one)
    plain = go1_manifest.to_plain()
    plain["training"]["max_iterations"] += 1
    with pytest.raises(CheckpointError, match="more than their seed"):
        gate(one, make(tmp_path, validate(plain, "a test"), 7, 2))
    with pytest.raises(PanelError, match="is the champion itself"):
        gate(one)


def test_a_document_that_was_edited_is_refused_with_the_way_out(
    tmp_path: Path, go1_manifest: Manifest, seeds: list[int | None]
):
    run = make(tmp_path, go1_manifest, 3)
    decision, path = gate(run)
    assert decision.verdict == "refuse" and path is not None and path.parent.name == FOLDER
    path.write_text(path.read_text().replace('"refuse"', '"promote"'))
    with pytest.raises(LedgerError, match="was changed after it was written"):
        read_decision(path)
    with pytest.raises(LedgerError, match="was changed after it was written"):
        gate(run)


def test_a_checkpoint_that_was_exchanged_is_no_champion(
    tmp_path: Path, go1_manifest: Manifest, seeds: list[int | None]
):
    a, b = (make(tmp_path, go1_manifest, won) for won in (4, 7))
    gate(a)
    (a / "model_1.pt").write_bytes((b / "model_1.pt").read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="gone or another one"):
        gate(b)


def test_nothing_is_kept_of_a_dry_run_and_stored_reports_have_to_be_of_the_checkpoint(
    tmp_path: Path, go1_manifest: Manifest, seeds: list[int | None]
):
    run = make(tmp_path, go1_manifest, 7)
    assert gate(run, keep=False)[1] is None and not (run / FOLDER).exists()
    with pytest.raises(PanelError, match=r"no report of panel locomotion_v1 on model_1\.pt: surefoot evaluate"):
        gate(run, stored=True)


def test_hashes_of_manifests_are_as_before_without_the_section(go1_manifest: Manifest):
    assert "promotion" not in go1_manifest.canonical_json
    changed = validate(go1_manifest.to_plain() | {"promotion": {"seeds": 5}}, "a test")
    assert changed.sha256 != go1_manifest.sha256
