"""The checkpoint with the best held-out score, kept with where it comes from."""

import json
from pathlib import Path
from typing import Any, cast

from surefoot.errors import RunFolderError
from surefoot.files import link_or_copy, make_way, read_file, sha256_of
from surefoot.jobs.job import Result
from surefoot.jobs.queue import EventFolder
from surefoot.reporting import say, write_json

CHECKPOINT = "model_best.pt"
PROVENANCE = "model_best.json"
SCHEMA_VERSION = 1


def find_best(results: list[Result]) -> Result | None:
    """The valid result with the highest score; of equal ones the earliest checkpoint.

    Only results that can be compared take part: same event, panel, held-out cells, engine and seed as the newest of
    them.

    Args:
        results: In the order of their jobs.
    """
    scored = [result for result in results if result.job.keep_best and result.valid and _score(result) is not None]
    if not scored:
        return None
    comparable = [result for result in scored if _conditions(result) == _conditions(scored[-1])]
    return min(comparable, key=lambda result: (-(_score(result) or 0.0), result.job.iteration))


def keep_best(folder: EventFolder, results: list[Result]) -> Result | None:
    """Make `model_best.pt` the checkpoint of the best result; that result where it is a new one.

    Raises:
        RunFolderError: Its checkpoint is gone, or the folder cannot be written; the one before is still there.
    """
    best = find_best(results)
    if best is None:
        return None
    target = folder.run / CHECKPOINT
    before = read_provenance(folder.run)
    # The hash too: a file that was replaced by hand is written again.
    if before is not None and before.get("job") == best.job.id and before.get("checkpoint_sha256") == _sha256(target):
        return None
    source = checkpoint_of(folder, best)
    make_way(target, say)
    make_way(folder.run / PROVENANCE, say)
    try:
        link_or_copy(source, target)
    except OSError as error:
        raise RunFolderError(f"{target}: cannot be written ({error.strerror}).") from error
    # After the checkpoint: killed in between, the old description names another job, and both are written anew.
    write_json(folder.run / PROVENANCE, _provenance(best), indent=1)
    return best


def checkpoint_of(folder: EventFolder, result: Result) -> Path:
    """A file with the checkpoint that a result is about.

    Raises:
        RunFolderError: None is left.
    """
    job = result.job
    # Whichever name is left: the pin is let go when the result has come, and files may be deleted.
    for path in (folder.run / job.checkpoint, folder.run / f"model_{job.iteration}.pt", folder.run / CHECKPOINT):
        if _sha256(path) == job.checkpoint_sha256:
            return path
    raise RunFolderError(f"{folder.run}: the checkpoint of iteration {job.iteration} that {job.id} is about is gone.")


def read_provenance(run: Path) -> dict[str, Any] | None:
    """Where `model_best.pt` comes from; None where there is none, or its description is damaged."""
    try:
        plain: Any = json.loads(read_file(run / PROVENANCE))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(plain, dict):
        return None
    found = cast("dict[str, Any]", plain)
    return found if found.get("schema_version") == SCHEMA_VERSION else None


def _sha256(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None


def _score(result: Result) -> float | None:
    return result.finding.score if result.finding is not None else None


def _conditions(result: Result) -> tuple[object, ...]:
    job, finding = result.job, result.finding
    versions = {} if finding is None else {name: metric.version for name, metric in finding.held_out.items()}
    cells = "" if finding is None else finding.scored_cells_sha256
    return job.event, job.kind, job.content_sha256, cells, job.engine, job.seed, tuple(sorted(versions.items()))


def _provenance(best: Result) -> dict[str, Any]:
    assert best.finding is not None
    return {
        "schema_version": SCHEMA_VERSION,
        "iteration": best.job.iteration,
        "score": best.finding.score,
        "event": best.job.event,
        "job": best.job.id,
        "content": best.job.content,
        "content_sha256": best.job.content_sha256,
        "checkpoint_sha256": best.job.checkpoint_sha256,
        "manifest_sha256": best.job.manifest_sha256,
        "held_out": {name: metric.model_dump(mode="json") for name, metric in best.finding.held_out.items()},
        "in_distribution": {
            name: metric.model_dump(mode="json") for name, metric in best.finding.in_distribution.items()
        },
        "written": best.written,
    }
