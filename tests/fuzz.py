"""Fuzzes every reader of files from strangers: `make fuzz`, or `python tests/fuzz.py --inputs 20000 --run RUN_FOLDER`.

Inputs are changed from real files with their structure in mind: plain values of YAML, JSON and checkpoints, members
of archives whose CRCs are made to fit again, and bytes. Each is read in a forked process that may take 2 GiB more than
it has and 10 s of CPU. A reader may accept a file or refuse it with one message of surefoot's own; all else is a fault.
"""

import argparse
import copy
import io
import json
import os
import pickle
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

HERE = Path(__file__).parent
sys.path[:0] = [str(path) for path in (HERE, *HERE.glob("unit/*"), HERE / "engine", HERE / "system") if path.is_dir()]

from bag_cases import low_states, write_bag  # noqa: E402
from log_cases import ORDERS, joint_values, profile, stamps, write_table  # noqa: E402
from surefoot.api import manifest_root  # noqa: E402
from surefoot.audit.record.record import read_alerts  # noqa: E402
from surefoot.audit.record.record_file import read_record  # noqa: E402
from surefoot.crosscheck.probe_file import Probe, read_probe, write_probe  # noqa: E402
from surefoot.errors import EngineError, SurefootError  # noqa: E402
from surefoot.evaluation.compare import read_report  # noqa: E402
from surefoot.evaluation.panel_files import load_panel  # noqa: E402
from surefoot.manifest import compose_manifest, read_manifest  # noqa: E402
from surefoot.manifest.overrides import override_manifest  # noqa: E402
from surefoot.manifest.store import manifest_text  # noqa: E402
from surefoot.manifest.validate import validate  # noqa: E402
from surefoot.mdp.command_schedule import CommandSchedule  # noqa: E402
from surefoot.reading import parse_json, read_bytes  # noqa: E402
from surefoot.rl import fault_replay  # noqa: E402
from surefoot.rl.resumable import check_resumable  # noqa: E402
from surefoot.runs import checkpoint, run_record  # noqa: E402
from surefoot.traces.card import read_card  # noqa: E402
from surefoot.traces.importer import import_trace  # noqa: E402
from surefoot.traces.profile import read_profile  # noqa: E402
from surefoot.traces.sources.archive import unpack  # noqa: E402
from surefoot.traces.trace_file import read_trace, write_trace  # noqa: E402
from trace_cases import trace_of  # noqa: E402
from trained import checkpoint_content  # noqa: E402

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
MEMORY, CPU = 2 * 1024**3, 10
BATCH = 40
CANARY = "SUREFOOT_FUZZ_CANARY"
KINDS = ("refused in a line", "accepted", "traceback", "above 2 GiB", "above 10 s", "died", "ran code")
ODD: tuple[Any, ...] = (
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63),
    10**30,
    1e18,
    -1e18,
    1e308,
    1e-308,
    0.5,
    True,
    False,
    None,
    "",
    "x",
    "x" * 300,
    "../../x",
    "/dev/zero",
    "é\u2028\x00",
    "1e400",
    "nan",
    "${oc.env:HOME}",
    [],
    {},
    [[]],
    [1, 2],
    ["a", 1],
    {"a": 1},
    {"": ""},
    {"hydra": {}},
    float("inf"),
    float("nan"),
    [0] * 5000,
    {str(i): i for i in range(3000)},
)
TOKENS = [
    b"*a",
    b"&a [*a]",
    b"<<: *a",
    b"!!python/object/apply:os.mkdir [" + CANARY.encode() + b"]",
    b"[" * 200,
    b"{" * 90,
    b"hydra: {searchpath: [pkg://surefoot_fuzz_canary]}",
    b"? [1]\n: 2",
    b"9" * 5000,
    b"2020-13-45",
    b"!!binary =",
    b"\xff\xfe",
    b"\x00",
    b"0x" + b"f" * 400,
    b"- " * 100,
    b"1:99:99",
    b"---\n",
    b"...\n",
    b"%YAML 9.9\n",
    b"~",
    b"'",
    b'"',
    b"|",
    b"\t",
]


class Canary:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, (CANARY,)


def odd_tensors(rng: random.Random) -> Any:
    return rng.choice(
        [
            lambda: torch.zeros(1).expand(10**9),
            lambda: torch.zeros(0, 10**9),
            lambda: torch.full((3,), float("nan")),
            lambda: torch.ones(3, dtype=torch.complex64),
            lambda: torch.eye(3).to_sparse(),
            lambda: torch.tensor(7),
            lambda: torch.empty(10**9, device="meta"),
            lambda: torch.ones(2, 3).T,
            lambda: torch.zeros(0),
            lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
            lambda: torch.ones(5, dtype=torch.int8),
            lambda: torch.ones(3).to(torch.float8_e5m2),
            Canary,
            lambda: {1, 2},
            lambda: torch.zeros(1).expand(100, 100),
            lambda: torch.nn.Parameter(torch.ones(2)),
            lambda: b"x",
            lambda: torch.float32,
        ]
    )()


def changed_value(plain: Any, rng: random.Random, odd: Callable[[], Any]) -> Any:
    """Plain data with one node replaced, dropped, doubled or moved."""
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [plain]
    while waiting:
        here = waiting.pop()
        keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        places += [(here, key) for key in keys]
        waiting += [here[key] for key in keys]
    if not places:
        return odd()
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        holder, key = rng.choice(places)
        if not (key in holder if isinstance(holder, dict) else key < len(holder)):
            continue
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[f"{key}x"] = holder[key]
            case 2:
                other, place = rng.choice(places)
                if place in other if isinstance(other, dict) else place < len(other):
                    holder[key] = copy.deepcopy(other[place])
            case 3 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                holder[key] *= rng.choice((-1, 0, 1e3, 1e6, 10**18, 1e300))
            case _:
                holder[key] = odd()
    return plain


def changed_bytes(content: bytes, rng: random.Random) -> bytes:
    out = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(7):
            case 0 if out:
                out[at - 1] ^= 1 << rng.randrange(8)
            case 1:
                del out[at : at + rng.choice((1, 4, 100, 10**6))]
            case 2:
                out[at:at] = out[max(0, at - 200) : at] * rng.choice((1, 3, 50))
            case 3:
                size = rng.choice((1, 2, 4, 8))
                out[at : at + size] = rng.choice((b"\xff", b"\x00", b"\x7f")) * size
            case 4:
                out[at:at] = rng.choice(TOKENS)
            case 5:
                del out[at:]
            case _:
                other = rng.randrange(len(out) + 1)
                out[at : at + 40] = out[other : other + 40]
    return bytes(out)


def changed_text(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            lines[at : at + 1] = [lines[at]] * rng.choice((2, 50))
        case 1:
            lines[at] = b" " * rng.randrange(8) + rng.choice(TOKENS)
        case 2:
            lines[at] = lines[at].partition(b":")[0] + b": " + rng.choice(TOKENS)
        case 3:
            lines[at] = b"  " + lines[at]
        case _:
            words = lines[at].split(b" ")
            words[rng.randrange(len(words))] = rng.choice([repr(odd)[:400].encode() for odd in ODD] + TOKENS)
            lines[at] = b" ".join(words)
    return b"\n".join(lines)


def changed_yaml(content: bytes, rng: random.Random) -> bytes:
    plain = changed_value(yaml.safe_load(content), rng, lambda: copy.deepcopy(rng.choice(ODD)))
    head = content.split(b"\n")[0] + b"\n" if content.startswith(b"#") else b""
    return head + yaml.safe_dump(plain, sort_keys=False).encode()


def changed_json(content: bytes, rng: random.Random) -> bytes:
    lines = [line for line in content.split(b"\n") if line.strip()]
    if content.lstrip().startswith(b"{") and len(lines) and _is_json(lines[0]):
        at = rng.randrange(len(lines))
        lines[at] = json.dumps(
            changed_value(json.loads(lines[at]), rng, lambda: copy.deepcopy(rng.choice(ODD)))
        ).encode()
        return b"\n".join(lines) + b"\n"
    return json.dumps(changed_value(json.loads(content), rng, lambda: copy.deepcopy(rng.choice(ODD)))).encode()


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def changed_archive(content: bytes, rng: random.Random) -> bytes:
    """Members changed, CRCs made to fit."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        infos = source.infolist()
        chosen = rng.choice([info for info in infos if info.filename.endswith(("pkl", "npy"))] or infos)
        with zipfile.ZipFile(
            out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        ) as new:
            for info in infos:
                member = source.read(info)
                if info is chosen:
                    member = rng.choice((changed_bytes, changed_bytes, lambda *_: pickle.dumps(Canary())))(member, rng)
                if info is not chosen or rng.random() > 0.05:
                    new.writestr(info.filename, member)
                if rng.random() < 0.02:
                    new.writestr(info.filename, member * 100)
            if rng.random() < 0.03:
                new.writestr("zeros.npy", bytes(3 * 10**7), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def changed_checkpoint(content: bytes, rng: random.Random) -> bytes:
    plain = torch.load(io.BytesIO(content), weights_only=True)
    odd = lambda: odd_tensors(rng) if rng.random() < 0.5 else copy.deepcopy(rng.choice(ODD))  # noqa: E731
    out = io.BytesIO()
    torch.save(changed_value(plain, rng, odd), out)
    return out.getvalue()


def changed_table(content: bytes, rng: random.Random) -> bytes:
    """Columns of other types, run lengths that stand for a lot, other headers."""
    table = pq.read_table(io.BytesIO(content))
    names, at = table.column_names, rng.randrange(table.num_columns)
    rows = table.num_rows
    new: list[Callable[[], Any]] = [
        lambda: pa.array(["text"] * rows),
        lambda: pa.nulls(rows),
        lambda: pa.array([[0.5] * 5000] * rows),
        lambda: pa.array([{"a": 1}] * rows),
        lambda: pa.array([None] * rows, pa.float64()),
        lambda: pa.array([b"x"] * rows),
        lambda: pa.array([2**62] * rows),
        lambda: pa.array([float("nan")] * rows),
        lambda: pa.array([[1.0], []] * rows)[:rows],
    ]
    match rng.randrange(4):
        case 0:
            table = table.drop_columns([names[at]])
        case 1:
            table = pa.concat_tables([table] * rng.choice((2, 100)))
        case 2:
            about = {
                key: changed_json(value, rng) if value[:1] == b"{" else value
                for key, value in (table.schema.metadata or {}).items()
            }
            table = table.replace_schema_metadata(about)
        case _:
            table = table.set_column(at, names[at], rng.choice(new)())
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def changed_arrays(content: bytes, rng: random.Random) -> bytes:
    with np.load(io.BytesIO(content)) as arrays:
        held: dict[str, Any] = {name: arrays[name] for name in arrays.files}
    name = rng.choice(list(held))
    held[name] = rng.choice(
        [
            np.array([Canary()], dtype=object),
            np.array("text"),
            np.zeros((3, 0)),
            np.array(1.0),
            held[name].astype(np.complex64),
            held[name][:-1],
            np.asfortranarray(held[name]),
            held[name].astype(np.float16),
            np.zeros(2, dtype="f4,i8"),
            held[name].astype(np.longdouble),
            np.full_like(held[name], 2**62),
            held[name][..., None],
        ]
    )
    out = io.BytesIO()
    np.savez_compressed(out, **held)
    return out.getvalue()


Change = Callable[[bytes, random.Random], bytes]


@dataclass
class Target:
    """A reader, a real file of its kind, and ways to change it."""

    name: str
    path: Path
    read: Callable[[Path], Any]
    changes: tuple[Change, ...]
    content: bytes = b""
    counts: Counter[str] = field(default_factory=Counter[str])
    worst_s: float = 0.0
    faults: list[str] = field(default_factory=list[str])


def targets(folder: Path, run: Path | None) -> list[Target]:
    """Every reader, with a file in a folder of its own."""
    root, found = manifest_root(), []
    manifest = compose_manifest(root, TASK)

    def add(name: str, file: str, content: bytes, read: Callable[[Path], Any], *changes: Change) -> Path:
        path = folder / name.replace(" ", "_") / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        found.append(Target(name, path, read, (*changes, changed_bytes), content))
        return path

    saved = checkpoint.to_bytes(checkpoint_content(manifest))
    stripped = io.BytesIO()
    torch.save(checkpoint_content(manifest), stripped)
    pickled = (changed_checkpoint, changed_checkpoint, changed_archive)
    add(
        "checkpoint, resumed",
        "model_3.pt",
        stripped.getvalue(),
        lambda p: check_resumable(checkpoint.load(p), manifest),
        *pickled,
    )
    add("checkpoint with a seal", "model_3.pt", saved, checkpoint.load)
    faults = {
        "action": torch.zeros(2, 12),
        "found": torch.zeros(2, 4, dtype=torch.bool),
        "env_id": torch.tensor([3, 4]),
    }
    out = io.BytesIO()
    torch.save({"faults": faults, "manifest_sha256": manifest.sha256}, out)
    path = add("recorded faults", "faults_3.pt", out.getvalue(), fault_replay.replay, *pickled)
    (path.parent / "manifest.yaml").write_text(manifest_text(manifest))
    text = manifest_text(manifest).encode()
    add("manifest of a run", "manifest.yaml", text, read_manifest, changed_yaml, changed_text)
    plain = json.dumps(manifest.to_plain()).encode()
    add("manifest inside", "m.json", plain, lambda p: validate(_mapping(p), str(p)), changed_json, changed_json)
    add(
        "override",
        "o.txt",
        b"ppo.gamma=0.9",
        lambda p: override_manifest(manifest, [p.read_text("latin-1")]),
        changed_text,
    )
    panel = (root / "panels/quick_v1.yaml").read_bytes().replace(b"quick_v1", b"mine_v1")
    add("panel", "mine_v1.yaml", panel, lambda p: load_panel(p, root), changed_yaml, changed_text)
    own = folder / "root"
    shutil.copytree(root, own)
    for group in (f"tasks/{TASK}", "ppo/go1_flat", "robot/unitree_go1"):
        target = own / f"{group}.yaml"
        found.append(
            Target(
                "task file",
                target,
                lambda p: compose_manifest(own, TASK),
                (changed_text, changed_yaml, changed_bytes),
                target.read_bytes(),
            )
        )
    add(
        "command schedule",
        "s.yaml",
        b"0: [0.5, 0, 0]\n4: [1.0, 0, 0.5]\n",
        lambda p: CommandSchedule.read(str(p)),
        changed_yaml,
        changed_text,
    )
    card = sorted((root / "traces/cards").glob("*.yaml"))[0]
    add("trace card", card.name, card.read_bytes(), read_card, changed_yaml, changed_text)
    form = root / "traces/formats/go2_columns.yaml"
    add(
        "import profile", form.name, form.read_bytes(), lambda p: read_profile(root, str(p)), changed_yaml, changed_text
    )

    def log(kind: str) -> Callable[[Path], Any]:
        return lambda p: import_trace(p, p.parent / "out.trace.parquet", profile(kind), ORDERS)

    values = joint_values(400)
    write_table(folder / "log.csv", stamps(400), values)
    add("log, CSV", "log.csv", (folder / "log.csv").read_bytes(), log("go2_columns"), changed_text)
    np.savez_compressed(folder / "log.npz", stamp_ns=stamps(400), **values)
    add("log, NPZ", "log.npz", (folder / "log.npz").read_bytes(), log("go2_arrays"), changed_arrays, changed_archive)
    table = pa.table({"stamp_ns": stamps(400)} | {name: pa.array(list(value)) for name, value in values.items()})
    pq.write_table(table, folder / "log.parquet")
    add("log, Parquet", "log.parquet", (folder / "log.parquet").read_bytes(), log("go2_arrays"), changed_table)
    for ending, mcap in ((".db3", False), (".mcap", True)):
        bag = next(
            path for path in write_bag(folder / f"bag{ending}", low_states(40), mcap).iterdir() if path.suffix == ending
        )
        add(f"bag, {ending[1:]}", f"b{ending}", bag.read_bytes(), log("go2_bag"))
    with zipfile.ZipFile(folder / "logs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "log.csv", "log.csv")
    add("archive", "logs.zip", (folder / "logs.zip").read_bytes(), _unpack, changed_archive)
    write_trace(folder / "t.parquet", trace_of(400, ("q", "dq")))
    add("trace", "t.parquet", (folder / "t.parquet").read_bytes(), read_trace, changed_table)
    write_probe(folder / "p.json", Probe({"engine": "x"}, {"a/b": np.ones((4, 3)), "a/c": np.arange(5)}))
    for ending, change in ((".json", changed_json), (".npz", changed_arrays)):
        path = add(
            f"probe, {ending[1:]}",
            f"p{ending}",
            (folder / f"p{ending}").read_bytes(),
            lambda p: read_probe(p.with_suffix(".json")),
            change,
        )
        other = ".npz" if ending == ".json" else ".json"
        shutil.copy(folder / f"p{other}", path.parent)
    if run is not None:
        state = sorted(run.glob("env_state_*.pt"))
        if state:
            from surefoot.engines.mujoco.snapshot import _damage

            add(
                "environment state",
                "env_state_3.pt",
                state[-1].read_bytes(),
                lambda p: _damage(checkpoint.read(p)),
                *pickled,
            )
        for name, file, read, change in (
            ("record of accounts", "accounts.parquet", read_record, changed_table),
            ("run record", "run_record.json", run_record.read_run_record, changed_json),
            ("starts", "starts.jsonl", lambda p: run_record._starts(p.parent), changed_json),
            ("alerts", "alerts.jsonl", lambda p: read_alerts(p.parent), changed_json),
        ):
            if (run / file).is_file() and (run / file).stat().st_size:
                add(name, file, (run / file).read_bytes(), read, change)
        for report in sorted(run.glob("panel_*.json"))[:1]:
            add("panel report", report.name, report.read_bytes(), read_report, changed_json)
    return found


def _mapping(path: Path) -> dict[str, Any]:
    plain = parse_json(read_bytes(path))
    if not isinstance(plain, dict):
        raise SurefootError("no mapping")
    return plain


def _unpack(path: Path) -> None:
    shutil.rmtree(path.parent / "out", ignore_errors=True)
    (path.parent / "out").mkdir()
    unpack(path, path.parent / "out")


def _no_engine(*_: Any, **__: Any) -> Any:
    raise EngineError("read; no environment is built here")


def attempt(target: Target, content: bytes) -> tuple[str, str]:
    """What a reader makes of an input, and what went wrong."""
    target.path.write_bytes(content)
    os.chdir(target.path.parent)
    kind, detail = "accepted", ""
    try:
        target.read(target.path)
    except EngineError:
        pass
    except MemoryError:
        kind, detail = "above 2 GiB", traceback.format_exc()
    except (SurefootError, ValueError) as error:
        kind = "refused in a line"
        # `Refused` leaves a reader of files only where `fuzz` itself asks for it.
        if not isinstance(error, SurefootError) and type(error).__name__ != "Refused":
            kind, detail = "traceback", traceback.format_exc()
        elif "\x00" in str(error) or len(str(error)) > 20_000:
            kind, detail = "traceback", "a message of many lines: " + str(error)[:300]
    except BaseException:
        kind, detail = "traceback", traceback.format_exc()
    if Path(CANARY).exists() or any(path.name == CANARY for path in target.path.parent.iterdir()):
        shutil.rmtree(CANARY, ignore_errors=True)
        kind, detail = "ran code", "the canary was there"
    return kind, detail


def child(target: Target, seeds: list[int], pipe: int) -> None:
    """Read inputs, one after the other, and say of each what came of it."""
    base = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (base + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    for seed in seeds:
        rng = random.Random(seed)
        try:
            content = rng.choice(target.changes)(target.content, rng)
        except Exception:  # what cannot be built is no input; its bytes are changed instead
            content = changed_bytes(target.content, rng)
        os.write(pipe, json.dumps({"seed": seed}).encode() + b"\n")
        before = time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (int(before) + CPU + 1, resource.RLIM_INFINITY))
        kind, detail = attempt(target, content)
        taken = time.process_time() - before
        os.write(pipe, json.dumps({"seed": seed, "kind": kind, "detail": detail[-1500:], "s": taken}).encode() + b"\n")
    os._exit(0)


def batch(target: Target, seeds: list[int]) -> None:
    """Run one child after the other until every seed has an answer."""
    while seeds:
        read_end, write_end = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(read_end)
            try:
                child(target, seeds, write_end)
            finally:
                os._exit(1)
        os.close(write_end)
        begun, done = 0, 0
        with os.fdopen(read_end, "rb") as answers:
            for line in answers:
                answer = json.loads(line)
                begun += "kind" not in answer
                if "kind" in answer:
                    done += 1
                    note(target, answer["seed"], answer["kind"], answer["detail"], answer["s"])
        _, status = os.waitpid(process, 0)
        if begun > done:
            signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            note(
                target, seeds[done], "above 10 s" if signal == 24 else "died", f"signal {signal}, status {status}", CPU
            )
            done += 1
        elif done == 0:
            note(target, seeds[0], "died", f"before the first answer, status {status}", 0.0)
            done = 1
        seeds = seeds[done:]


def note(target: Target, seed: int, kind: str, detail: str, seconds: float) -> None:
    kind = "above 10 s" if seconds > CPU else kind
    target.counts[kind] += 1
    target.worst_s = max(target.worst_s, seconds)
    if kind not in KINDS[:2]:
        target.faults.append(f"{target.name}, seed {seed}: {kind}: {detail}")


def table(found: list[Target]) -> str:
    """Rows by reader, as Markdown."""
    merged: dict[str, tuple[Counter[str], float]] = {}
    for target in found:
        counts, worst = merged.get(target.name, (Counter[str](), 0.0))
        merged[target.name] = (counts + target.counts, max(worst, target.worst_s))
    total = sum((counts for counts, _ in merged.values()), Counter[str]())
    merged["**all**"] = (total, max(worst for _, worst in merged.values()))
    lines = [f"| reader | tried | {' | '.join(KINDS)} | longest, s |", "|---" * (len(KINDS) + 3) + "|"]
    for name, (counts, worst) in merged.items():
        cells = " | ".join(f"{counts[kind]:,}" for kind in KINDS)
        lines.append(f"| {name} | {counts.total():,} | {cells} | {worst:.1f} |")
    return "\n".join(lines)


def campaign(inputs: int, seed: int, run: Path | None, seconds: float = 1e9) -> list[Target]:
    """Fuzz every reader with about the same number of inputs, task files with a tenth (Hydra takes a second each)."""
    torch.set_num_threads(1)
    fault_replay.make_env = _no_engine
    folder = Path(tempfile.mkdtemp(prefix="fuzz_"))
    home, end = os.getcwd(), time.monotonic() + seconds
    try:
        found = targets(folder, run)
        weights = [{"task file": 0.03, "checkpoint, resumed": 0.5}.get(target.name, 1.0) for target in found]
        left = [max(1, round(inputs * weight / sum(weights))) for weight in weights]
        number = seed * 10**9
        while any(left) and time.monotonic() < end:
            for index, target in enumerate(found):
                size = min(BATCH, left[index]) if time.monotonic() < end else 0
                left[index] -= size
                batch(target, list(range(number, number + size)))
                number += size
    finally:
        os.chdir(home)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1e9, help="no new batch after this time")
    parser.add_argument("--run", type=Path, help="a run folder, whose files join the corpus")
    args = parser.parse_args()
    found = campaign(args.inputs, args.seed, args.run and args.run.resolve(), args.seconds)
    for fault in [fault for target in found for fault in target.faults][:40]:
        print(fault, end="\n\n")
    print(table(found))
    sys.exit(any(target.faults for target in found))


if __name__ == "__main__":
    main()
