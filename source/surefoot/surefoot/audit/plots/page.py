"""All pictures of a run in one HTML file that opens without a network."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surefoot.audit.plots.buckets import buckets_figure
from surefoot.audit.plots.faults import faults_figure
from surefoot.audit.plots.reward import reward_figure
from surefoot.audit.plots.style import save
from surefoot.audit.plots.terminations import terminations_figure
from surefoot.audit.record.record_file import RecordTable
from surefoot.errors import RecordError, RunFolderError
from surefoot.files import write_atomically

PAGE = "accounts.html"


def draw(table: RecordTable, alerts: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write one PNG per picture and a page with all of them into `folder`; returns their paths, the page last.

    Raises:
        RecordError: The record has no iteration.
        RunFolderError: The folder cannot be written.
    """
    if not len(table.iteration):
        raise RecordError("The record holds no iteration: the run was stopped before its first one ended.")
    figures = {
        "reward": reward_figure(table),
        "terminations": terminations_figure(table),
        "buckets": buckets_figure(table),
        "faults": faults_figure(table, alerts),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pictures = [save(figure, folder / f"{name}.png") for name, figure in figures.items()]
    except OSError as error:
        raise RunFolderError(f"{folder}: pictures cannot be written ({error.strerror}). Choose --out DIR.") from error
    page = folder / PAGE
    write_atomically(page, _page(table, alerts, pictures).encode())
    return [*pictures, page]


def _page(table: RecordTable, alerts: Sequence[dict[str, Any]], pictures: Sequence[Path]) -> str:
    images = "".join(
        f"<img alt='{path.stem}' src='data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}'>"
        for path in pictures
    )
    columns = ("iteration", "kind", "subject", "message", "action")
    rows = ["".join(f"<td>{html.escape(str(alert.get(name, '')))}</td>" for name in columns) for alert in alerts]
    heads = "".join(f"<th>{name}</th>" for name in columns)
    listed = f"<table><tr>{heads}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>" if rows else "<p>None.</p>"
    manifests = ", ".join(f"{sha256[:12]} from iteration {first}" for first, sha256 in table.header.manifests)
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Accounts of a run</title>"
        "<style>body{font-family:sans-serif;margin:2em;max-width:1400px}img{max-width:100%;display:block;margin:1em 0}"
        "td,th{text-align:left;padding:.2em 1em .2em 0;vertical-align:top}</style>"
        f"<h1>Accounts of a run</h1><p>Iterations {table.iteration[0]} to {table.iteration[-1]}; manifest "
        f"{html.escape(manifests)}.</p><h2>Alerts</h2>{listed}{images}</html>\n"
    )
