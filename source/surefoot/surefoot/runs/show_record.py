"""The record for people: scale and quality on one page, and never the first without the second."""

from collections.abc import Sequence

from surefoot.jobs.show_result import number, transfer_lines
from surefoot.runs.record_schema import Evaluation, Record


def text(record: Record, alive: bool, by_hand: Sequence[str] = (), held_out_by_hand: bool = False) -> str:
    """The page.

    Args:
        record: Of one run.
        alive: Whether its trainer runs.
        by_hand: Evaluations in the run folder that no schedule asked for, a line each.
        held_out_by_hand: Whether one of these was of conditions that training never had.
    """
    status = record.status
    # Nobody is left to write the record of a killed run.
    if status == "running" and not alive:
        status = "running, but its process is gone: killed, or the machine went down"
    lines = [
        f"{record.run}: {record.task}, seed {record.seed}",
        f"{status}{f': {record.reason}' if record.reason else ''}",
        f"manifest {record.manifest_sha256[:12]}"
        + (f", {len(record.manifests)} in turn" if len(record.manifests) > 1 else ""),
        f"{record.engine or 'engine not recorded'} on {record.device}, {record.hardware}",
        "",
        *_scale(record, held_out_by_hand),
        "",
        *_quality(record, held_out_by_hand),
        *(f"by hand  {line}" for line in by_hand),
        "",
        *_problems(record),
    ]
    return "\n".join(lines)


def _scale(record: Record, by_hand: bool) -> list[str]:
    training = record.training
    rate = "-" if training.samples_per_s is None else f"{training.samples_per_s:,.0f}"
    behaviour = "held-out behaviour below" if record.is_held_out or by_hand else "HELD-OUT BEHAVIOUR NOT EVALUATED"
    return [
        f"scale    {training.iterations} of {training.until} updates, {training.samples:,} samples in "
        f"{training.seconds:,.0f} s, {training.num_envs} environments",
        f"         {rate} samples/s | {behaviour}",
    ]


def _quality(record: Record, by_hand: bool) -> list[str]:
    lines: list[str] = []
    for event, entry in record.quality.items():
        score = "" if entry.score is None else f", score {entry.score:.4g}"
        content = f" {entry.content} {entry.content_sha256[:12]}" if entry.content else ""
        lines.append(
            f"quality  {event} ({entry.kind}{content}) at update {entry.iteration}{score}{_behind(record, entry)}"
        )
        held, control = entry.held_out, entry.in_distribution
        width = max((len(name) for name in (*held, *control)), default=0)
        if held or control or not entry.transfer:
            lines.append(f"         {'':<{width}}  {'held out':<28} in distribution")
        for name in dict.fromkeys((*held, *control)):
            left = number(held[name]) if name in held else "NOT EVALUATED"
            right = number(control[name]) if name in control else "-"
            lines.append(f"         {name:<{width}}  {left:<28} {right}")
        lines += [f"         transfer: {line}" for line in transfer_lines(entry.transfer)]
    if not record.is_held_out and not by_hand:
        way_out = "Schedule a panel (docs/events.md), or surefoot evaluate --panel."
        # First, so that no number is read before it.
        lines.insert(0, f"quality  HELD OUT: NOT EVALUATED. The numbers above say nothing about new ground. {way_out}")
    if record.best is not None:
        lines.append(f"best     model_best.pt: update {record.best.iteration}, score {record.best.score:.4g}")
    lines += [f"{'' if index else 'tags':<8} {tag}" for index, tag in enumerate(record.transfer.tags)]
    return lines


def _behind(record: Record, entry: Evaluation) -> str:
    late = record.training.iterations - entry.iteration
    return f", {late} updates before the last" if late > 0 else ""


def _problems(record: Record) -> list[str]:
    faults = record.faults
    share = "-" if faults.invalid_share is None else f"{faults.invalid_share:.2%}"
    steps = ", ".join(f"{kind} {count:.0f}" for kind, count in faults.steps.items()) or "none"
    alerts = ", ".join(f"{kind} {count}" for kind, count in record.alerts.by_kind.items()) or "none"
    lines = [f"faults   simulation: {steps} ({share} of all steps)", f"alerts   {alerts}"]
    for entry in record.evaluations:
        if entry.status != "valid":
            lines.append(f"FAULT    {entry.job}: {entry.status}: {'; '.join(entry.reasons)}")
    lines += [f"FAULT    {entry.event} left out: {entry.reason}" for entry in record.omitted]
    lines += [f"FAULT    {path} was damaged" for path in record.damaged_files]
    if record.scheduled and record.events_mode == "off":
        lines.append(f"FAULT    events of the manifest were switched off: {', '.join(record.scheduled)}")
    return lines
