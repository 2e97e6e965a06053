"""Training with a scheduled trace suite: real replays, a worker that is killed, logs that change."""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import engines_here
import own_logs
import replay_cases as case
from event_cases import until
from surefoot.errors import ManifestError, TraceError
from surefoot.jobs.job import Job
from surefoot.jobs.plan import COMMAND
from surefoot.jobs.queue import EventFolder
from surefoot.machine import Machine
from surefoot.manifest import compose_manifest
from surefoot.replay.job import GAP, POLICY, evaluate
from surefoot.rl.train import train
from surefoot.runs import show_record
from surefoot.runs.run_record import read_run_record, with_news
from surefoot.traces import read_trace
from surefoot_tasks import manifest_root
from test_scheduled_events import PANEL, Runs, scalars

EVENT = "+schedule.events.logs={kind: replay, content: tiny, every: 2}"


@pytest.fixture(scope="module")
def written(engine: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Manifests with the suite, and the folder of its data, which the engine wrote; tests copy both."""
    folder = tmp_path_factory.mktemp("suite")
    shutil.copytree(manifest_root(), folder / "manifests")
    task = compose_manifest(manifest_root(), case.TASK, [contacts(engine)])
    case.write_all(folder / "manifests", folder / "data", task, engine)
    return folder / "manifests", folder / "data"


def contacts(engine: str) -> str:
    return f"simulation={engines_here.contacts(engine)}"


@pytest.fixture
def root(written: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(written[0], tmp_path / "manifests")
    shutil.copytree(written[1], tmp_path / "data")
    (tmp_path / "manifests" / "panels" / "tiny.yaml").write_text(yaml.safe_dump(PANEL))
    monkeypatch.setenv("SUREFOOT_TRACES", str(tmp_path / "data"))
    return tmp_path / "manifests"


@pytest.fixture
def run(engine: str, root: Path) -> Runs:
    return Runs(engine, root, contacts(engine))


def test_a_worker_replays_the_suite_beside_a_panel_and_everything_arrives(
    run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    others = "panel={kind: panel, content: tiny, at_end: true}", "changed={kind: replay, content: other, at_end: true}"
    case.write_suite(run.root, name="other")
    manifest = run.manifest(EVENT, *(f"+schedule.events.{other}" for other in others), "training.logger=tensorboard")
    plan = run.plan(manifest, "worker")
    case.write_suite(run.root, name="other", alert_above_floor=9.0)
    monkeypatch.delenv("SUREFOOT_TRACES")  # the jobs say where the data is
    folder = train(manifest, runs=tmp_path / "runs", machine=Machine(run.engine, threads=1), events=plan)
    record = read_run_record(folder)
    entries = {(entry.event, entry.iteration): entry.status for entry in record.evaluations}
    assert entries == {("logs", 2): "valid", ("logs", 4): "valid", ("panel", 4): "valid", ("changed", 4): "fault"}

    metrics, tags = record.transfer.metrics, record.transfer.tags
    assert set(metrics) == {  # as limits know them
        "gap_above_floor",
        *(f"{place}/{name}" for place in ("own/open_loop", "swapped/actuator") for name in GAP),
        *(f"{trace}/closed_loop/{name}" for trace in ("own", "failed") for name in POLICY),
    }
    gap, floor = metrics["own/open_loop/gap"], metrics["own/open_loop/floor"]
    assert gap.value is not None and gap.value < own_logs.nothing(run.engine)
    assert floor.value == 0.0  # the engine that replays it wrote it
    bad, limit = metrics["swapped/actuator/gap"], metrics["swapped/actuator/limit"]
    assert bad.value is not None and bad.low is not None and bad.high is not None and limit.value == 0.15
    assert 0.15 < bad.low < bad.value < bad.high and metrics["gap_above_floor"].value == bad.value
    assert {"gap/own/open_loop=pass", "gap/swapped/actuator=fail"} <= set(tags)
    assert any(tag.startswith("best_bucket/own/open_loop=friction") for tag in tags)
    assert sum(tag.startswith("beats_failed_run/failed=") for tag in tags) == 1
    assert metrics["failed/closed_loop/following_of_log"].value == pytest.approx(1.0, abs=0.1)  # 2 rad/s for 1 s

    assert record.alerts.by_kind == {"event_transfer": 1, "event_fault": 1}  # at the second event nothing is new
    alert, fault = [json.loads(line) for line in (folder / "alerts.jsonl").read_text().splitlines()]
    assert fault["subject"] == "changed" and "Suites are frozen" in fault["message"]
    assert alert["subject"] == "logs.gap/swapped/actuator" and "above 0.15 (floor 0)" in alert["message"]
    assert len(list((folder / "events" / "gaps").glob("*.json"))) == 2  # measured once, read the second time
    first, second = (folder / entry.report / "replay.json" for entry in record.evaluations if entry.event == "logs")
    assert json.loads(first.read_text())["replays"] == json.loads(second.read_text())["replays"]

    assert scalars(folder, "Event/logs/transfer/swapped/actuator/gap") == [2, 4]
    assert scalars(folder, "Event/panel/held_out/fall_rate") == [4]
    assert pictures(folder) == {"Event/logs/own/open_loop_overlay", "Event/logs/swapped/actuator_overlay"}
    said = capsys.readouterr().out
    assert "swapped/actuator: gap " in said and "fail     gap/swapped/actuator" in said
    page = show_record.text(with_news(folder, record), alive=False)
    assert "transfer: own/open_loop: gap " in page and "gap/swapped/actuator=fail" in page


def pictures(folder: Path) -> set[str]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    tags = set(found.Tags()["images"])
    for tag in tags:
        (image,) = found.Images(tag)
        assert image.step == 2 and image.width > 500 and image.encoded_image_string.startswith(b"\x89PNG")
    return tags


def test_a_worker_killed_in_the_middle_goes_on_where_it_was_with_what_can_be_trusted(run: Runs, tmp_path: Path):
    case.write_suite(run.root, traces=[{"card": "own", "modes": ["open_loop", "actuator", "torque"]}])
    folder = run(tmp_path / "runs", EVENT, "+schedule.wait=0", "training.max_iterations=2")
    events = EventFolder(folder)
    (job,) = events.job_ids()
    assert events.outstanding() == [job]  # training did not wait
    gaps = folder / "events" / "gaps"
    before = {path.name: path.stat().st_mtime_ns for path in gaps.glob("*.json")}
    assert len(before) < 3

    process = subprocess.Popen([*COMMAND, str(folder)])
    until(lambda: len(list(gaps.glob("*.json"))) > len(before), 300.0)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in gaps.glob("*.json")}
    assert events.outstanding() == [job] and 0 < len(kept) < 3
    subprocess.run([*COMMAND, str(folder)], check=True, timeout=300)
    result = events.result(job)
    assert result is not None and result.valid and result.attempts >= 2
    after = {path.name: path.stat().st_mtime_ns for path in gaps.glob("*.json")}
    assert len(after) == 3 and kept.items() <= after.items()  # what was measured is not measured again

    reports = {path: json.loads(path.read_text()) for path in gaps.glob("*.json")}
    ((path, plain),) = [found for found in reports.items() if found[1]["report"]["mode"] == "open_loop"]
    plain["report"]["score"] = 0.7
    path.write_text(json.dumps(plain))
    value = evaluate(folder, events.job(job), tmp_path).transfer["own/open_loop/gap"].value
    assert value is not None and value < own_logs.nothing(run.engine)  # a kept gap that was changed is measured again
    refused_where_data_changed(folder, events.job(job), run.root, tmp_path)


def refused_where_data_changed(folder: Path, job: Job, root: Path, out: Path) -> None:
    card, log = root / "traces" / "cards" / "own.yaml", out / "data" / "own.parquet"
    for reason, path, content in (
        ("Suites are frozen", card, card.read_bytes().replace(b"simulated log", b"simulated  log")),
        ("traces.0 (own): ", log, log.read_bytes()[:-1] + b"x"),
        ("no such file", log, None),
    ):
        before = path.read_bytes()
        path.write_bytes(content) if content is not None else path.unlink()
        with pytest.raises(TraceError, match=re.escape(reason)):
            evaluate(folder, job, out)
        path.write_bytes(before)


@pytest.mark.parametrize(
    ("overrides", "suite", "reason"),
    [
        (["+schedule.events.a={kind: replay, content: tinny, every: 2}"], {}, "Did you mean 'tiny'"),
        (["+schedule.events.a={kind: replay, every: 2}"], {}, "expected the name of a trace suite"),
        ([EVENT.replace("every: 2", "every: 2, keep_best: true")], {}, "it has no held-out score"),
        ([EVENT.replace("2}", "2, limits: {a: {metric: score, minimum: 1}}}")], {}, "has no held-out score"),
        ([EVENT.replace("2}", "2, limits: {a: {metric: x, minimum: 1}}}")], {}, "limits.a.group: a replay measures"),
        (
            [EVENT.replace("2}", "2, limits: {a: {metric: own/open_loop/gab, group: transfer, maximum: 1}}}")],
            {},
            "Did you mean 'own/open_loop/gap'",
        ),
        ([EVENT, "robot=unitree_go2"], {}, "suite tiny: robot: it has logs of 'unitree_go1', and task"),
        ([EVENT], {"buckets": {"frictoin": [0.5, 1.0]}}, "Did you mean 'friction'"),
        ([EVENT], {"horizon": 5.0}, "parquet: no window of 5 s can be replayed"),
        ([EVENT], {"traces": [{"card": "absent", "modes": ["torque"]}]}, "traces.0 (absent): "),
        ([EVENT], {"traces": [{"card": "mute", "modes": ["torque"]}]}, "mode torque needs q, dq, tau; missing: tau"),
        ([EVENT], {"traces": [{"card": "lame", "modes": ["torque"]}]}, "joint 'FL_calf_joint' is not in this trace"),
    ],
)
def test_a_suite_that_cannot_be_replayed_is_refused_before_anything_runs(
    run: Runs, tmp_path: Path, overrides: list[str], suite: dict[str, Any], reason: str
):
    root = run.root
    log = read_trace(tmp_path / "data" / "own.parquet")
    case.add_trace(root, tmp_path / "data", "mute", case.without(log, "tau"))
    case.add_trace(root, tmp_path / "data", "lame", case.renamed(log, "FL_calf_joint", "FL_knee"))
    case.add_trace(root, tmp_path / "data", "absent", log)
    (tmp_path / "data" / "absent.parquet").unlink()
    case.write_suite(root, **suite)
    with pytest.raises(ManifestError) as caught:
        run(tmp_path / "runs", *overrides)
    assert reason in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


WANDB = """
import sys
sys.path[:0] = sys.argv[5:]
from pathlib import Path
import surefoot, test_replay_event as case
run = case.Runs(sys.argv[1], Path(sys.argv[2]), case.contacts(sys.argv[1]))
run(Path(sys.argv[3]), *sys.argv[4].split("|"), mode=run.mode)
"""


def test_wandb_offline_has_numbers_and_pictures_of_panels_and_replays(run: Runs, tmp_path: Path):
    pytest.importorskip("wandb", reason="wandb is not installed")
    panel = "+schedule.events.panel={kind: panel, content: tiny, every: 2}"
    overrides = [EVENT, panel, "training.logger=wandb", "training.max_iterations=2"]
    case.write_suite(run.root, traces=[{"card": "swapped", "modes": ["actuator"]}])
    here = Path(__file__).parent
    path = [str(here), str(here.parent), str(here.parent / "unit" / "events"), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", WANDB, run.engine, str(run.root), str(tmp_path / "runs"), "|".join(overrides), *path],
        env=os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    history = wandb_history(tmp_path / "runs")
    (gap,) = history["Event/logs/transfer/swapped/actuator/gap"]
    assert gap > 0.15 and history["Event/logs/iteration"] == [2] == history["Event/panel/iteration"]
    assert all(0 <= value <= 1 for value in history["Event/panel/held_out/fall_rate"])
    assert history["Event/logs/swapped/actuator_overlay/_type"] == ["image-file"]
    (name,) = history["Event/logs/swapped/actuator_overlay/path"]
    assert [path.read_bytes()[:4] for path in tmp_path.glob(f"runs/**/{Path(name).name}")] == [b"\x89PNG"]


def wandb_history(folder: Path) -> dict[str, list[Any]]:
    """Values by name, in order, from the file of an offline run."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("**/*.wandb")
    found: dict[str, list[Any]] = {}
    for data in leveldb_records(path.read_bytes()[7:]):
        record: Any = wandb_internal_pb2.Record()  # pyright: ignore[reportAttributeAccessIssue]
        record.ParseFromString(data)
        for item in record.history.item:
            found.setdefault(item.key or "/".join(item.nested_key), []).append(json.loads(item.value_json))
    return found


def leveldb_records(content: bytes) -> Iterator[bytes]:
    """Records of a LevelDB log: blocks of 32 KiB, whose first one lost 7 bytes to the file's header.

    Each part of a record has 4 bytes of checksum, 2 of length and 1 of kind: 1 whole, 2 first, 3 middle, 4 last.
    """
    at, parts = 0, b""
    while at + 7 <= len(content):
        left = 32768 - (at + 7) % 32768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""
