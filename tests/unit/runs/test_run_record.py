"""The record of a run: what it holds, what it says loudly, and that it is whole or absent."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from event_cases import ZERO, add_job, finding, make_run
from surefoot import files
from surefoot.errors import RecordError, RunFolderError
from surefoot.jobs.best import keep_best
from surefoot.jobs.job import Measurements, Metric, answered, fault
from surefoot.jobs.lease import trainer_lease
from surefoot.jobs.queue import EventFolder
from surefoot.jobs.reactions import Omitted, ReactionLog
from surefoot.manifest import Manifest, validate
from surefoot.runs import run_folder
from surefoot.runs.record_schema import Record
from surefoot.runs.run_record import Totals, read_run_record, refresh, with_news, write_run_record
from surefoot.runs.show_record import text

TOTALS = Totals(iterations=3, samples=6000, seconds=2.0, fault_steps={"nan": 3.0, "bounds": 0.0}, invalid_steps=3.0)
SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "record.py"


@pytest.fixture
def manifest(go1_manifest: Manifest) -> Manifest:
    plain = go1_manifest.to_plain()
    plain["schedule"]["events"] = {"panel": {"kind": "panel", "content": "x", "every": 1}}
    return validate(plain, "a test")


@pytest.fixture
def folder(tmp_path: Path, manifest: Manifest) -> EventFolder:
    return make_run(run_folder.create(tmp_path, manifest, "cpu"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model_best.json", '{"schema_version": 1, "iteration": 1, "score": null, "event": "a", "job": "b"}'),
        ("model_best.json", "[" * 100_000),
        ("events/handled.json", '{"results": {}, "omitted": [{"event": 5, "iteration": "x", "reason": null}]}'),
        ("events/handled.json", '{"results": {}, "omitted": [{"event": "a", "iteration": -1, "reason": "b"}]}'),
        ("events/handled.json", "[" * 100_000),
        ("events/results/000001-panel-1.json", "[" * 100_000),
        ("trainer.lease", "[" * 100_000),
    ],
)
def test_damaged_files_beside_the_record_are_no_traceback(
    name: str, content: str, folder: EventFolder, manifest: Manifest
):
    job = add_job(folder, "")
    folder.answer(answered(job, finding(0.5), "", 1, 1.0))
    write(folder, manifest)
    (folder.run / name).write_text(content)
    record = with_news(folder.run, read_run_record(folder.run))
    assert record.best is None and text(record, alive=trainer_lease(folder.run).holder() is not None)
    write(folder, manifest)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("alerts.jsonl", '{"iteration": 1}\n'),
        ("alerts.jsonl", '{"iteration": 1, "kind": [1], "subject": "", "message": "", "action": {}}\n'),
        ("alerts.jsonl", "[" * 100_000),
        ("starts.jsonl", ""),
        ("starts.jsonl", "{}\n"),
        ("starts.jsonl", "5\n"),
    ],
)
def test_what_the_record_is_made_of_is_named_where_it_is_damaged(
    name: str, content: str, folder: EventFolder, manifest: Manifest
):
    (folder.run / name).write_text(content)
    with pytest.raises(RunFolderError, match=name.replace(".", r"\.")):
        write(folder, manifest)


def write(folder: EventFolder, manifest: Manifest, status: str = "running") -> Record:
    return write_run_record(folder.run, manifest, TOTALS, status, mode="worker")  # pyright: ignore[reportArgumentType]


def test_scale_is_that_of_the_run_and_what_is_written_is_what_is_read(folder: EventFolder, manifest: Manifest):
    record = write(folder, manifest)
    assert read_run_record(folder.run) == record
    training = record.training
    assert (training.iterations, training.samples, training.seconds, training.samples_per_s) == (3, 6000, 2.0, 3000.0)
    assert record.faults.steps == {"nan": 3.0} and record.faults.invalid_share == 0.0005
    assert (record.task, record.engine, record.seed) == (manifest.name, "mujoco", manifest.seed)
    assert record.manifest_sha256 == manifest.sha256 and record.manifests[0].from_iteration == 1
    assert record.versions["torch"] and record.hardware and record.scheduled == ("panel",)


def test_held_out_stands_beside_in_distribution_and_the_newest_counts(folder: EventFolder, manifest: Manifest):
    results = [answered(add_job(folder, "", i), finding(0.1 * i, 0.1 * i), "", 1, 5.0) for i in (2, 1)]
    for result in results:
        folder.answer(result)
    keep_best(folder, results)
    record = write(folder, manifest)
    assert record.quality["panel"].iteration == 2
    page = text(record, alive=True)
    assert "fall_rate  0.2 [0.1, 0.4]               0.2 [0.1, 0.4]" in page
    assert "at update 2, score 0.2, 1 updates before the last" in page
    assert "3,000 samples/s | held-out behaviour below" in page and "NOT EVALUATED" not in page
    assert "model_best.pt: update 2" in page and record.best is not None


@pytest.mark.parametrize("kind", ["nothing", "control only", "not valid", "fault", "unanswered"])
def test_throughput_never_stands_alone(folder: EventFolder, manifest: Manifest, kind: str):
    if kind != "nothing":
        job = add_job(folder, "")
        control = finding(0.5).model_copy(update={"held_out": {}, "score": None})
        invalid = Measurements(valid=False, reasons=("all robots broke",), held_out=finding(0.5).held_out)
        answers = {"control only": answered(job, control, "", 1, 1.0), "not valid": answered(job, invalid, "", 1, 1.0)}
        result = answers.get(kind, fault(job, "it was deleted", 1))
        if kind != "unanswered":
            folder.answer(result)
    record = write(folder, manifest)
    page = text(record, alive=True)
    assert "3,000 samples/s | HELD-OUT BEHAVIOUR NOT EVALUATED" in page and "HELD OUT: NOT EVALUATED" in page
    expected = {"not valid": "all robots broke", "fault": "it was deleted", "unanswered": "no result"}.get(kind)
    assert record.faults.evaluations == (expected is not None)
    assert expected is None or f"FAULT    000001-panel-1: {kind}: {expected}" in page
    assert record.unanswered == (("000001-panel-1",) if kind == "unanswered" else ())
    assert "0.1 [" not in page or kind == "control only"


def test_what_was_left_out_or_damaged_is_a_fault(folder: EventFolder, manifest: Manifest):
    handled = ReactionLog(folder.path, 0)
    handled.omit(Omitted("panel", 2, "the queue was full"))
    handled.write()
    folder.set_aside(folder.jobs / f"{add_job(folder, '').id}.json")
    record = write(folder, manifest)
    page = text(record, alive=True)
    assert record.faults.evaluations == 2
    assert "FAULT    panel left out: the queue was full" in page
    assert "FAULT    events/jobs/000001-panel-1.broken1 was damaged" in page


def test_events_that_were_switched_off_are_not_forgotten(folder: EventFolder, manifest: Manifest):
    record = write_run_record(folder.run, manifest, TOTALS, "finished")
    assert "events of the manifest were switched off: panel" in text(record, alive=False)


def test_a_killed_run_does_not_look_as_if_it_went_on(folder: EventFolder, manifest: Manifest):
    record = write(folder, manifest)
    assert "running, but its process is gone" in text(record, alive=False)
    assert "gone" not in text(record, alive=True)


def test_transfer_metrics_and_tags_of_the_newest_results(folder: EventFolder, manifest: Manifest):
    gap = finding(0.5).model_copy(update={"transfer": {"gap": Metric(value=0.2)}, "tags": ("gap_above_floor",)})
    folder.answer(answered(add_job(folder, ""), gap, "", 1, 1.0))
    record = write(folder, manifest)
    assert record.transfer.metrics["gap"].value == 0.2 and record.transfer.tags == ("gap_above_floor",)
    assert "transfer: gap 0.2" in text(record, alive=True)
    folder.answer(answered(add_job(folder, "", event="other"), gap, "", 1, 1.0))
    both = write(folder, manifest).transfer  # one does not hide the other
    assert set(both.metrics) == {"panel/gap", "other/gap"}
    assert set(both.tags) == {"panel/gap_above_floor", "other/gap_above_floor"}


def test_manifests_in_turn_and_those_of_a_discarded_branch_are_gone(folder: EventFolder, manifest: Manifest):
    other = manifest.model_copy(update={"seed": 5})
    run_folder.record_start(folder.run, other, "cpu", 20, "seed")
    run_folder.record_start(folder.run, manifest, "cpu", 10, "seed")
    run_folder.record_start(folder.run, other, "cpu", 30, "seed")
    spans = [(span.from_iteration, span.sha256) for span in write(folder, manifest).manifests]
    assert spans == [(1, manifest.sha256), (31, other.sha256)]


def test_a_result_that_comes_later_is_in_the_record(folder: EventFolder, manifest: Manifest):
    job = add_job(folder, "")
    before = write(folder, manifest, "finished")
    assert before.unanswered == (job.id,)
    folder.answer(answered(job, finding(0.5), "", 1, 1.0))
    assert with_news(folder.run, before).unanswered == ()
    assert read_run_record(folder.run).unanswered == (job.id,)  # reading writes nothing
    refresh(folder.run)
    after = read_run_record(folder.run)
    assert after.unanswered == () and after.quality["panel"].score == 0.5
    assert (after.training, after.faults.steps, after.status) == (before.training, before.faults.steps, "finished")


def test_a_full_disk_leaves_the_record_as_it_was(
    folder: EventFolder, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
):
    before = write(folder, manifest)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunFolderError, match="The previous content is unchanged"):
        write(folder, manifest, "finished")
    assert read_run_record(folder.run) == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not a run record"),
        ("{}", "run: missing key"),
        ("half", "not a run record"),
        ("other version", "input should be 1, got 9"),
    ],
)
def test_a_record_that_cannot_be_trusted_is_refused(folder: EventFolder, manifest: Manifest, content: str, reason: str):
    write(folder, manifest)
    path = folder.run / "run_record.json"
    whole = path.read_text()
    path.write_text(
        {"half": whole[:200], "other version": whole.replace('"schema_version": 1', '"schema_version": 9', 1)}.get(
            content, content
        )
    )
    with pytest.raises(RecordError, match=reason):
        read_run_record(folder.run)


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)


def test_the_script_prints_page_and_document_and_changes_nothing(folder: EventFolder, manifest: Manifest):
    record = write(folder, manifest)
    before = sorted(path.name for path in folder.run.rglob("*"))
    page = call(str(folder.run))
    assert page.returncode == 0 and "HELD-OUT BEHAVIOUR NOT EVALUATED" in page.stdout
    assert "running, but its process is gone" in page.stdout
    assert json.loads(call(str(folder.run), "--json").stdout)["manifest_sha256"] == record.manifest_sha256 != ZERO
    assert sorted(path.name for path in folder.run.rglob("*")) == before


def test_the_script_without_a_run_or_a_record_is_one_line(tmp_path: Path):
    for path, reason in ((tmp_path / "none", "no run folder"), (tmp_path, "no run record can be read")):
        result = call(str(path))
        assert result.returncode == 1 and reason in result.stderr and result.stderr.count("\n") == 1
