"""From a log to a trace: bind, read, clean the clocks, merge, check, write. One pass, bounded memory."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import TraceError, did_you_mean
from surefoot.traces.agreement import Agreement
from surefoot.traces.clock import ClockLog
from surefoot.traces.header import KINDS, SignalInfo, SourceFile, TraceFinding, TraceHeader
from surefoot.traces.joint_orders import JointOrders
from surefoot.traces.merge import Cursor
from surefoot.traces.profile import ImportProfile, Merge, Topic
from surefoot.traces.quality import QualityLog
from surefoot.traces.signal_reader import SignalReader, apply_mount, signal_reader
from surefoot.traces.signals import SIGNALS
from surefoot.traces.sources import LogSource
from surefoot.traces.trace_file import TraceWriter

FloatArray = NDArray[np.float64]
Part = tuple[NDArray[np.int64], Mapping[str, FloatArray]]
_MIN_MATCHED = 0.5
MAX_SAMPLES = 1_000_000_000
"""Of one trace: 23 days at 500 Hz."""


@dataclass
class _Topic:
    """One topic of the log while it is read."""

    name: str
    topic: Topic
    bindings: list[SignalReader]
    clock: ClockLog
    rows: NDArray[np.int64]
    """Of the samples of the last batch, in the log."""

    def batches(self, source: LogSource) -> Iterator[Part]:
        # Two signals may be made from one field.
        requests = list(dict.fromkeys(request for binding in self.bindings for request in binding.requests))
        offset = round(self.topic.clock_offset * 1e9)
        for raw in source.read(self.topic, requests):
            keep = self.clock.add(raw.row, raw.stamp, raw.check)
            values = {name: part[keep] for name, part in raw.values.items()}
            self.rows = raw.row + np.flatnonzero(keep)
            yield raw.stamp[keep] + offset, {binding.name: binding.read(values) for binding in self.bindings}


def import_trace(
    log: Path,
    out: Path,
    profile: ImportProfile,
    orders: JointOrders,
    *,
    name: str = "",
    topics: Mapping[str, str] | None = None,
    accept: Collection[str] = (),
) -> TraceHeader:
    """Import a log; the trace appears whole, or not at all.

    Args:
        log: A table, a folder of tables, a bag, or an archive with one of these.
        out: The trace to write.
        profile: How the log is read.
        orders: Joint orders by name.
        name: Of the trace; default: the log's.
        topics: Other names of a bag's topics than the profile's, by the profile's names.
        accept: Kinds of findings that are no reason to refuse (`backward`, `units`, ...).

    Raises:
        TraceError: The log is damaged, lacks what the profile names, or was refused; with row and column.
        UnknownName: An unknown joint, order, topic or kind of finding; with the nearest.
    """
    profile = _renamed(profile, topics or {})
    with LogSource(log, profile, orders) as source:
        base, others = _open_topics(source, profile, orders, log)
        header = _header(name or _plain_name(log), profile, orders, [base, *others])
        columns = {signal: header.columns(signal) for signal in header.signals}
        quality = QualityLog(log.name, columns, profile.joint_limit)
        agreement = Agreement(log.name, columns)
        cursors = [_cursor(other, source, columns) for other in others]
        with TraceWriter(out, header) as writer:
            for stamp, own in base.batches(source):
                if len(stamp) == 0:
                    continue
                signals = dict(own)
                for cursor in cursors:
                    signals |= cursor.sample(stamp)
                apply_mount(profile, signals)
                quality.add(base.rows, stamp, signals)
                agreement.add(stamp, signals)
                if quality.samples > MAX_SAMPLES:
                    raise TraceError(f"{log}: more than {MAX_SAMPLES:,} samples; cut the log into parts.")
                writer.write(stamp, signals)
            findings = source.findings + [found for part in (base, *others) for found in part.clock.findings()]
            findings += quality.findings() + agreement.findings() + _overlap(base, others, cursors)
            # At the end, so that one refusal names everything; the writer then leaves no file.
            _refuse(log, findings, accept, quality.samples)
            rates = {part.name: round(part.clock.rate, 3) for part in (base, *others)}
            sources = _sources(source)
            # A folder is more than the files that were read: its card has the hash of all of them.
            whole = file_sha256(log) if log.is_dir() else sources[0].sha256
            update = {"findings": tuple(findings), "rates_hz": rates, "sources": sources, "log_sha256": whole}
            return writer.finish(header.model_copy(update=update))


def _renamed(profile: ImportProfile, topics: Mapping[str, str]) -> ImportProfile:
    changed = dict(profile.topics)
    for name, ros_name in topics.items():
        if name not in changed:
            raise TraceError(f"profile {profile.name!r} has no topic {name!r}. {did_you_mean(name, changed)}")
        changed[name] = changed[name].model_copy(update={"topic": ros_name})
    return profile.model_copy(update={"topics": changed})


def _open_topics(
    source: LogSource, profile: ImportProfile, orders: JointOrders, log: Path
) -> tuple[_Topic, list[_Topic]]:
    opened: dict[str, _Topic] = {}
    for name, topic in profile.topics.items():
        if topic.optional and not source.has(topic):
            continue
        where = f"{log}, {topic.topic or name}"
        bindings = [signal_reader(signal, part, profile, orders, where) for signal, part in topic.signals.items()]
        clock = ClockLog(topic.topic or name, topic.stamp.field, profile.gap)
        opened[name] = _Topic(name, topic, bindings, clock, np.zeros(0, np.int64))
    if profile.base not in opened:
        raise TraceError(f"{log}: lacks the base topic {profile.base!r} of profile {profile.name!r}.")
    return opened[profile.base], [topic for name, topic in opened.items() if name != profile.base]


def _header(name: str, profile: ImportProfile, orders: JointOrders, topics: list[_Topic]) -> TraceHeader:
    found = {binding.name: (part.name, binding) for part in topics for binding in part.bindings}
    order = orders.get(profile.joints)
    if order.robot != profile.robot:
        raise TraceError(f"profile {profile.name!r}: joint order {profile.joints!r} is {order.robot}'s joints.")
    return TraceHeader(
        name=name,
        robot=profile.robot,
        joints=order.joints,
        feet=profile.feet,
        signals={
            signal: SignalInfo(origin=found[signal][1].source.origin, source=_said(*found[signal]))
            # In the order of the list of signals, not of the profile: equal content has equal columns.
            for signal in SIGNALS
            if signal in found
        },
        clock=profile.clock,
        profile=profile.name,
        profile_sha256=profile.sha256,
    )


def _said(topic: str, binding: SignalReader) -> str:
    """How a signal was read, in words."""
    source = binding.source
    field = source.field if isinstance(source.field, str) else ", ".join(source.field)
    parts = [f"{topic}: {field} [{source.unit}]"]
    parts += [f"order {source.order}"] if source.order else []
    parts += [f"times {source.scale:g}"] if source.scale != 1 else []
    parts += [f"from {source.convert}"] if source.convert != "none" else []
    return ", ".join(parts)


def _cursor(part: _Topic, source: LogSource, columns: Mapping[str, Collection[str]]) -> Cursor:
    merge: dict[str, Merge] = {binding.name: binding.source.merge or part.topic.merge for binding in part.bindings}
    sizes = {name: len(columns[name]) for name in merge}
    return Cursor(part.batches(source), merge, sizes, round(part.topic.tolerance * 1e9))


def _overlap(base: _Topic, others: list[_Topic], cursors: list[Cursor]) -> list[TraceFinding]:
    """Topics whose clocks do not fit the base topic's."""
    out: list[TraceFinding] = []
    for part, cursor in zip(others, cursors, strict=True):
        share = cursor.matched / max(base.clock.samples, 1)
        if share >= _MIN_MATCHED:
            continue
        span = "no samples" if cursor.span is None else f"stamps {cursor.span[0]} to {cursor.span[1]} ns"
        text = (
            f"{share:.1%} of the samples of {base.clock.source} have one of this topic within "
            f"{part.topic.tolerance:g} s ({span}); do the clocks agree? clock_offset shifts one"
        )
        # Nothing in common at all is no log of one run.
        severity = "warning" if cursor.matched else "refusal"
        out.append(TraceFinding(kind="offset", severity=severity, message=text, source=part.clock.source))
    return out


def _refuse(log: Path, findings: list[TraceFinding], accept: Collection[str], samples: int) -> None:
    unknown = [kind for kind in accept if kind not in KINDS]
    if unknown:
        raise TraceError(f"accept: {unknown[0]!r} is no kind of finding. {did_you_mean(unknown[0], KINDS)}")
    if samples == 0:
        raise TraceError(f"{log}: holds no samples.")
    refused = [finding for finding in findings if finding.severity == "refusal" and finding.kind not in accept]
    if refused:
        hint = ",".join(dict.fromkeys(finding.kind for finding in refused))
        lines = "\n".join(f"  {finding}" for finding in refused)
        raise TraceError(f"{log}: not imported:\n{lines}\nCorrect the profile, or take it as it is: --accept {hint}")


def _sources(source: LogSource) -> tuple[SourceFile, ...]:
    return tuple(
        SourceFile(name=file.name, bytes=file.stat().st_size, sha256=file_sha256(file)) for file in source.files
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, of a folder that of the lines `sha256  name` of its files, sorted by name."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        lines = "".join(f"{file_sha256(file)}  {file.name}\n" for file in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain_name(log: Path) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", log.name.removesuffix(log.suffix) or "trace")
    return plain if plain[0].isalnum() else f"t{plain}"
