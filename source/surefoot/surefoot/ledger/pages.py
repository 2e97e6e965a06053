"""Two pages from the ledger, each one HTML file that needs no network: of one run, and of all runs.

Every text that comes from a file is escaped, so that a run of somebody else cannot bring a script along.
"""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from surefoot.ledger.decision import Decision

_STYLE = """
:root{color-scheme:light;--line:#ccc;--soft:#f4f5f7;--good:#117733;--bad:#882255;--unsure:#6b5b00;--link:#332288}
*{box-sizing:border-box}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:1240px;color:#1b1b1b}
h1{font-size:1.4rem;overflow-wrap:anywhere;margin:.2em 0}h2{font-size:1.1rem;margin:1.6em 0 .4em}
p,li,h2,summary{overflow-wrap:anywhere}
a{color:var(--link)}:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .7rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th button{font:inherit;font-weight:600;background:none;border:0;padding:0;cursor:pointer;text-align:left}
td.n{white-space:nowrap}.dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.6rem}
.dl div{background:var(--soft);padding:.5rem .7rem;border-radius:6px;overflow-wrap:anywhere}
.dl b{display:block;font-size:1.15rem}
.verdict{border-left:6px solid;padding:.5rem .9rem;background:var(--soft)}.promote{border-color:var(--good)}
.refuse{border-color:var(--bad)}.unsure{border-color:var(--unsure)}
img{max-width:100%;height:auto;display:block;margin:.6rem 0}svg{display:block}
pre{overflow:auto;background:var(--soft);padding:.6rem}
input,select,label{font:inherit}.tools{display:flex;flex-wrap:wrap;gap:.6rem;margin:.8rem 0}
.tools input[type=search]{flex:1 1 200px}
"""

_SCRIPT = """
'use strict';
const body=document.querySelector('#runs tbody'),rows=[...body.rows],status=document.getElementById('status');
let sorted=null,down=true;
function sort(button,index){
  down=sorted===index?!down:true;sorted=index;
  document.querySelectorAll('#runs th').forEach(h=>h.removeAttribute('aria-sort'));
  button.closest('th').setAttribute('aria-sort',down?'descending':'ascending');
  const value=r=>{const v=r.cells[index].dataset.v??r.cells[index].textContent;return v===''?null:isNaN(v)?v:Number(v)};
  rows.sort((a,b)=>{const x=value(a),y=value(b);if(x===null||y===null)return(x===null)-(y===null);
    const s=x<y?-1:x>y?1:0;return down?-s:s});
  body.append(...rows);
}
document.querySelectorAll('#runs th button').forEach(b=>
  b.addEventListener('click',()=>sort(b,b.closest('th').cellIndex)));
function filter(){
  const words=document.getElementById('filter').value.toLowerCase().split(/\\s+/);
  const task=document.getElementById('task').value;
  let n=0;
  for(const r of rows){
    const show=words.every(w=>r.textContent.toLowerCase().includes(w))&&(!task||r.dataset.task===task);
    r.hidden=!show;n+=show}
  status.textContent=n+' of '+rows.length+' runs';
}
document.getElementById('filter').addEventListener('input',filter);
document.getElementById('task').addEventListener('change',filter);
body.addEventListener('change',()=>{
  const chosen=rows.filter(r=>r.querySelector('input').checked),out=document.getElementById('two');
  out.replaceChildren();
  if(chosen.length!==2){out.textContent=chosen.length?'Choose two runs to see them beside each other.':'';return}
  const table=document.createElement('table'),heads=[...document.querySelectorAll('#runs th')];
  heads.forEach((h,i)=>{if(!i)return;const line=table.insertRow();
    [h.textContent,chosen[0].cells[i].textContent,chosen[1].cells[i].textContent].forEach(t=>{line.insertCell().textContent=t});
    if(line.cells[1].textContent!==line.cells[2].textContent)line.style.fontWeight='600'});
  if(chosen[0].dataset.panel!==chosen[1].dataset.panel){const p=document.createElement('p');
    p.textContent='Their held-out numbers are of different panels and cannot be compared.';out.append(p)}
  out.append(table);
});
filter();
"""


def _page(title: str, body: str, script: str = "") -> str:
    end = f"<script>{script}</script>" if script else ""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
        f"content='width=device-width,initial-scale=1'><title>{_e(title)}</title><link rel='icon' href='data:,'>"
        f"<style>{_STYLE}</style></head><body>{body}{end}</body></html>\n"
    )


def _e(value: Any) -> str:
    return html.escape(str(value))


def _number(value: Any, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def _percent(value: Any) -> str:
    return "-" if value is None else f"{value:.1%}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]], none: str = "None.") -> str:
    if not rows:
        return f"<p>{_e(none)}</p>"
    head = "".join(f"<th scope='col'>{_e(name)}</th>" for name in heads)
    lines = "".join("<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='wide' tabindex='0'><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"


def index_page(runs: Sequence[Mapping[str, Any]], champions: Sequence[Mapping[str, Any]]) -> str:
    """All runs: sorted by a click on a column, filtered by words, two of them beside each other.

    Args:
        runs: Rows of the table `runs`.
        champions: What `surefoot.ledger.champions.history` returns.
    """
    now = {row["path"]: row for row in champions if row["champion"]}
    columns = ("", "run", "task", "status", "started", "samples, M", "minutes", "panel", "score", "success held out",
               "falls held out", "alerts", "champion")  # fmt: skip
    heads = "".join(
        f"<th scope='col'>{f'<button type=button>{_e(name)}</button>' if name else '<span>compare</span>'}</th>"
        for name in columns
    )
    lines: list[str] = []
    for row in runs:
        cells = [
            (row["run"], None), (row["task"], None), (row["status"], None), (row["started"][:16], None),
            (f"{row['samples'] / 1e6:.2f}", row["samples"]), (f"{row['seconds'] / 60:.1f}", row["seconds"]),
            (row["panel"] or "-", None), (_percent(row["score"]), row["score"] if row["score"] is not None else ""),
            (_percent(row["held_out_success"]), row["held_out_success"] if row["held_out_success"] is not None else ""),
            (_percent(row["held_out_falls"]), row["held_out_falls"] if row["held_out_falls"] is not None else ""),
            (row["alerts"], row["alerts"]), ("champion" if row["path"] in now else "", None),
        ]  # fmt: skip
        tick = f"<td><input type='checkbox' aria-label='compare {_e(row['run'])}'></td>"
        texts = "".join(
            f"<td{'' if value is None else f' class=n data-v={chr(39)}{_e(value)}{chr(39)}'}>{_e(text)}</td>"
            for text, value in cells
        )
        lines.append(f"<tr data-task='{_e(row['task'])}' data-panel='{_e(row['panel_sha256'])}'>{tick}{texts}</tr>")
    tasks = "".join(f"<option>{_e(task)}</option>" for task in sorted({row["task"] for row in runs}))
    changes = _table(
        ("task", "time", "run", "iteration", "score", "how"),
        [
            (row["task"], row["time"][:16], row["run"] + (" (now)" if row["champion"] else ""), row["iteration"],
             _percent(row["score"]), row["action"])
            for row in champions
        ],
        "The gate has promoted none.",
    )  # fmt: skip
    body = (
        "<h1>Runs</h1><div class='tools'><input id='filter' type='search' placeholder='words: robot, date, status ...' "
        f"aria-label='filter'><select id='task' aria-label='task'><option value=''>all tasks</option>{tasks}</select>"
        "<output id='status' aria-live='polite'></output></div>"
        f"<div class='wide' tabindex='0'><table id='runs'><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        "<h2>Two runs</h2><div id='two' class='wide' tabindex='0' aria-live='polite'></div>"
        f"<h2>Champions</h2>{changes}"
    )
    return _page("Runs", body, _SCRIPT)


def run_page(
    row: Mapping[str, Any],
    more: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    pictures: Mapping[str, Path] | None = None,
    manifest: str = "",
    difference: str = "",
) -> str:
    """One run.

    Args:
        row: Of the table `runs`.
        more: What `surefoot.ledger.questions.details` returns.
        pictures: PNG files by what they show.
        manifest: Its text.
        difference: To the champion's manifest; empty where there is none.
    """
    held = f"{_percent(row['held_out_success'])} ({_percent(row['held_out_low'])} to {_percent(row['held_out_high'])})"
    facts = {
        "samples": f"{row['samples'] / 1e6:.2f} M",
        "wall-clock": f"{row['seconds'] / 60:.1f} min",
        "held-out score": _percent(row["score"]),
        "success held out": held if row["held_out_success"] is not None else "not evaluated",
        "panel": row["panel"] or "-",
        "status": row["status"],
        "robot": row["robot"],
        "engine": row["engine"],
        "seed": row["seed"],
        "steps with a fault": _percent(row["invalid_share"]),
    }
    shown = "".join(f"<div>{_e(name)}<b>{_e(value)}</b></div>" for name, value in facts.items())
    images = "".join(
        f"<h2>{_e(title)}</h2><img alt='{_e(title)}' src='data:image/png;base64,"
        f"{base64.b64encode(path.read_bytes()).decode()}'>"
        for title, path in (pictures or {}).items()
    )
    starts = _table(
        ("start", "time", "resumed from iteration"),
        [(one["number"], one["time"], one["resumed_from_iteration"] or "-") for one in more["starts"]],
    )
    evaluations = _table(
        ("panel or suite", "kind", "iteration", "status", "score", "reasons"),
        [(one["content"], one["kind"], one["iteration"], one["status"], _percent(one["score"]), one["reasons"])
         for one in more["evaluations"]],
        "This run was put through no panel.",
    )  # fmt: skip
    alerts = _table(
        ("iteration", "kind", "subject", "what", "action"),
        [(one["iteration"], one["kind"], one["subject"], one["message"], one["action"]) for one in more["alerts"]],
    )
    faults = _table(("kind", "steps"), [(one["kind"], f"{one['steps']:.0f}") for one in more["faults"]])
    change = f"<h2>Manifest beside the champion's</h2><pre tabindex='0'>{_e(difference)}</pre>" if difference else ""
    text = f"<details><summary>Manifest</summary><pre tabindex='0'>{_e(manifest)}</pre></details>" if manifest else ""
    body = (
        f"<h1>{_e(row['run'])}</h1><p>{_e(row['task'])}, started {_e(row['started'])}</p>{_verdicts(more['decisions'])}"
        f"<h2>Scale and quality</h2><div class='dl'>{shown}</div>{_panel(row, more)}{_transfer(more)}"
        f"<h2>Evaluations</h2>{evaluations}{images}<h2>Alerts</h2>{alerts}<h2>Faults</h2>{faults}"
        f"<h2>Starts</h2>{starts}{change}<h2>Experiment</h2><p>manifest {_e(row['manifest_sha256'])}</p>{text}"
    )
    return _page(str(row["run"]), body)


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> str:
    """The newest decision in full, earlier ones in a line each."""
    if not rows:
        return "<p class='verdict unsure'>The gate was not asked about this run.</p>"
    found = [Decision.model_validate_json(row["document"]) for row in sorted(rows, key=lambda row: row["time"])]
    newest = found[-1]
    kind = {"promote": "promote", "refuse": "refuse"}.get(newest.verdict, "unsure")
    reasons = "".join(f"<li>{_e(reason)}</li>" for reason in newest.reasons)
    tests = _table(("outcome", "condition"), [(test.outcome, test.sentence) for test in newest.tests])
    other = f" against {_e(newest.champion.run)}" if newest.champion else ""
    earlier = "".join(f"<li>{_e(one.time)}: {_e(one.verdict)}</li>" for one in found[:-1])
    before = f"<p>Before:</p><ul>{earlier}</ul>" if earlier else ""
    return (
        f"<div class='verdict {kind}'><strong>{_e(newest.verdict)}</strong>{other}, {_e(newest.time)}, panel "
        f"{_e(newest.panel)}<ul>{reasons}</ul></div><h2>Conditions of the gate</h2>{tests}{before}"
    )


def _panel(row: Mapping[str, Any], more: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The cells of the panel that the run is listed with, the worst first."""
    chosen = [
        one
        for one in more["evaluations"]
        if one["content_sha256"] == row["panel_sha256"] and one["status"] == "valid" and one["score"] == row["score"]
    ]
    newest = max(chosen, key=lambda one: one["iteration"], default=None)
    cells = [] if newest is None else [cell for cell in more["cells"] if cell["evaluation_id"] == newest["id"]]
    if newest is None or not cells:
        return ""
    names = {"held_out": "held out", "in_distribution": "control", "edge": "edge"}
    lines: list[str] = []
    for cell in sorted(cells, key=lambda cell: (cell["success_rate"] is not None, cell["success_rate"], cell["name"])):
        share = cell["success_rate"] or 0.0
        bar = (
            f"<svg width='120' height='12' role='img' aria-label='{_percent(cell['success_rate'])}'><rect width='120' "
            f"height='12' fill='#e6e6e6'/><rect width='{120 * share:.1f}' height='12' fill='#332288'/></svg>"
        )
        lines.append(
            f"<tr><td>{_e(cell['name'])}</td><td>{_e(names.get(cell['grp'], cell['grp']))}</td><td>{bar}</td>"
            f"<td class='n'>{_percent(cell['success_rate'])}</td><td class='n'>{_percent(cell['fall_rate'])}</td>"
            f"<td class='n'>{_number(cell['lin_vel_error'])}</td>"
            f"<td class='n'>{_number(cell['yaw_rate_error'])}</td></tr>"
        )
    heads = ("cell", "group", "", "success", "falls", "error, m/s", "error, rad/s")
    head = "".join(f"<th scope='col'>{_e(name)}</th>" for name in heads)
    return (
        f"<h2>Panel {_e(newest['content'])} at iteration {newest['iteration']}, the worst cells first</h2>"
        f"<div class='wide' tabindex='0'><table id='cells'><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _transfer(more: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = [one for one in more["metrics"] if one["grp"] == "transfer"]
    if not rows:
        return ""
    table = _table(
        ("metric", "value", "low", "high", "unit"),
        [(one["name"], *(_number(one[key]) for key in ("value", "low", "high")), one["unit"]) for one in rows],
    )
    return f"<h2>Against recordings of robots</h2>{table}"
