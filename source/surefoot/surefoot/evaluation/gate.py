"""The rule of the gate: from reports of one panel and records of runs to a verdict with its reasons.

A condition is met, broken or open. Met and broken are both shown by the evidence, each with a chance of at most 5 % to
be wrong; open is everything else. Promoted is who meets every condition, so that the chance to promote a policy that is
not better is at most that of the primary test, 5 %.
"""

# pyright: basic, reportMissingTypeStubs=false

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance
from typing import Any, cast

import numpy as np
from scipy import stats

from surefoot.errors import PanelError
from surefoot.evaluation.bootstrap import Floats, mean_of_cells, share_difference_interval
from surefoot.evaluation.compare import check_comparable, paired
from surefoot.evaluation.sign_flips import FlipTest, flip_tests
from surefoot.jobs.job import Metric
from surefoot.ledger.decision import Test, Verdict
from surefoot.manifest.promotion import Promotion
from surefoot.randomization.conditions import draw_key
from surefoot.runs.record_schema import Record

LEVEL = 0.05
_Z = NormalDist().inv_cdf(1 - LEVEL)
_SUCCESS = "success_rate"


@dataclass(frozen=True)
class Judgement:
    """A verdict with what it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...]
    tests: tuple[Test, ...]
    unit: str
    power: dict[str, float | None]


def judge(
    rule: Promotion,
    candidates: Sequence[dict[str, Any]],
    champions: Sequence[dict[str, Any]],
    records: Sequence[Record],
    champion_records: Sequence[Record] = (),
) -> Judgement:
    """Apply the rule.

    Args:
        rule: Of the champion's manifest; of the candidate's where there is no champion.
        candidates: A report of the panel for each training that speaks for the candidate, its own first.
        champions: The same of the champion; none where there is no champion.
        records: Of the candidate's trainings.
        champion_records: Of the champion's; for the comparison with recordings of robots.

    Raises:
        PanelError: Reports that were not measured alike, or are not valid.
    """
    for report in (*candidates[1:], *champions):
        check_comparable(candidates[0], report)
    if not candidates[0]["valid"]:
        raise PanelError(f"The candidate's result is not valid: {'; '.join(candidates[0]['reasons'])}.")
    tests = list(_preconditions(rule, records))
    unit, power = "", dict[str, float | None]()
    if champions:
        found, unit, power = _panel_tests(rule, candidates, champions)
        tests += found
        tests += _transfer(rule, records[0], champion_records[0] if champion_records else None)
    else:
        tests.append(_first(rule, candidates[0]))
    return Judgement(*_verdict(tests, rule, len(records), unit), tuple(tests), unit, power)


def _verdict(tests: Sequence[Test], rule: Promotion, seeds: int, unit: str) -> tuple[Verdict, tuple[str, ...]]:
    broken = [test.sentence for test in tests if test.outcome == "broken"]
    unsure = [test.sentence for test in tests if test.outcome == "open"]
    verdict: Verdict = "refuse" if broken else "not enough evidence" if unsure else "promote"
    reasons = broken or unsure or [test.sentence for test in tests if test.kind != "precondition"]
    if seeds < rule.seeds:
        reasons = [
            *reasons,
            f"{seeds} of {rule.seeds} trainings speak for the candidate: the verdict is about this checkpoint and says "
            "little about its recipe",
        ]
    if unit == "episodes" and seeds >= rule.seeds:
        reasons = [*reasons, "the champion has one training, so episodes and not trainings were counted"]
    return verdict, tuple(reasons)


def _preconditions(rule: Promotion, records: Sequence[Record]) -> list[Test]:
    tests: list[Test] = []
    for record in records:
        share, alerts = record.faults.invalid_share, sum(record.alerts.by_kind.values())
        waiting, bad = len(record.unanswered), record.faults.evaluations - len(record.unanswered)
        where = f"run {record.run}"
        if waiting or bad > 0:
            sentence = f"{where}: {waiting} evaluations have no result and {bad} none to be trusted"
            tests.append(Test(name="evaluations", kind="precondition", outcome="open", sentence=sentence))
        if share is None:
            sentence = f"{where}: its share of faults is not known"
            tests.append(Test(name="faults", kind="precondition", outcome="open", sentence=sentence))
        elif share > rule.max_invalid_share:
            sentence = f"{where}: {share:.2%} of its steps are faults, at most {rule.max_invalid_share:.2%} may be"
            tests.append(Test(name="faults", kind="precondition", outcome="broken", sentence=sentence))
        if alerts > rule.max_alerts:
            sentence = f"{where}: {alerts} alerts, at most {rule.max_alerts} may be"
            tests.append(Test(name="alerts", kind="precondition", outcome="broken", sentence=sentence))
        if record.status in ("running", "failed"):
            sentence = f"{where}: its status is {record.status}"
            outcome = "open" if record.status == "running" else "broken"
            tests.append(Test(name="status", kind="precondition", outcome=outcome, sentence=sentence))
    return tests


def _first(rule: Promotion, report: dict[str, Any]) -> Test:
    score = report["score"]
    if score is None:
        return Test(name="score", kind="primary", outcome="open", sentence="the panel has no held-out score")
    met = score >= rule.min_score
    sentence = (
        f"there is no champion; held-out score {score:.1%}, {'at least' if met else 'less than'} {rule.min_score:.0%}"
    )
    return Test(name="score", kind="primary", outcome="met" if met else "broken", sentence=sentence)


def _panel_tests(
    rule: Promotion, candidates: Sequence[dict[str, Any]], champions: Sequence[dict[str, Any]]
) -> tuple[list[Test], str, dict[str, float | None]]:
    groups = [{cell["name"]: cell["group"] for cell in report["cells"]} for report in (*candidates, *champions)]
    names = sorted(groups[0])
    held_out = [name for name in names if all(group[name] == "held_out" for group in groups)]
    inside = [name for name in names if all(group[name] == "in_distribution" for group in groups)]
    if not held_out:
        raise PanelError("No cell is held out for both, so nothing says which one is better.")
    by_seed = min(len(candidates), len(champions)) >= 2
    unit = "seeds" if by_seed else "episodes"
    wanted = {"success held out": (held_out, None), "success in controls": (inside, rule.control_margin)}
    for label, guard in rule.guards.items():
        cells = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in guard.cells)]
        if not cells:
            raise PanelError(
                f"promotion.guards.{label}.cells: no cell of the panel is called {', '.join(guard.cells)}."
            )
        wanted[f"success in {label}"] = (cells, guard.margin)
    tests: list[Test] = []
    power: dict[str, float | None] = {}
    for title, (cells, margin) in wanted.items():
        if not cells:
            continue
        if by_seed:
            test, error, freedom = _by_seeds(title, cells, margin, candidates, champions)
        else:
            test, error, freedom = _by_episodes(title, cells, margin, candidates[0], champions[0])
        tests.append(test)
        if margin is None:
            power = _power(error, freedom)
    return tests, unit, power


def _by_episodes(
    title: str, cells: list[str], margin: float | None, candidate: dict[str, Any], champion: dict[str, Any]
) -> tuple[Test, float, float]:
    change = paired(champion, candidate, cells, _SUCCESS)
    if np.isnan(change).all():
        return Test(name=title, kind="guard", outcome="open", sentence=f"{title}: no episode is valid for both"), 0.0, 0
    rng = np.random.default_rng(draw_key(f"gate/{title}/{candidate['panel_sha256']}"))
    flips = flip_tests({"": change}, rng)[""]
    interval = share_difference_interval(change)
    assert interval is not None
    test = _test(title, flips.mean, interval.low, interval.high, margin, flips.higher, flips.lower)
    return test, _standard_error(change, flips), math.inf


def _standard_error(change: Floats, flips: FlipTest) -> float:
    """Of the mean; where no pair differs, as if one did."""
    return max(flips.scale, 1.0 / max(1, int((~np.isnan(change)).sum())))


def _by_seeds(
    title: str,
    cells: list[str],
    margin: float | None,
    candidates: Sequence[dict[str, Any]],
    champions: Sequence[dict[str, Any]],
) -> tuple[Test, float, float]:
    """Welch's test of the trainings' scores: replicates are the same for all, so that they cancel in the difference."""
    ours, theirs = ([_score(report, cells) for report in reports] for reports in (candidates, champions))
    difference = fmean(ours) - fmean(theirs)
    parts = [variance(scores) / len(scores) for scores in (ours, theirs)]
    total = sum(parts)
    # Scores of few trainings that happen to be equal say nothing of how trainings differ.
    least = (0.5 / sum(len(cell["samples"][_SUCCESS]) for cell in candidates[0]["cells"] if cell["name"] in cells)) ** 2
    error = math.sqrt(max(total, least))
    squares = [part**2 / (len(scores) - 1) for part, scores in zip(parts, (ours, theirs), strict=True)]
    freedom = min(len(ours), len(theirs)) - 1.0 if total <= least else total**2 / sum(squares)
    higher = float(stats.t.sf(difference / error, freedom))
    half = float(stats.t.ppf(1 - LEVEL, freedom)) * error
    test = _test(title, difference, difference - half, difference + half, margin, higher, 1 - higher)
    return test, error, freedom


def _score(report: dict[str, Any], cells: Sequence[str]) -> float:
    rows = {cell["name"]: cell["samples"][_SUCCESS] for cell in report["cells"]}
    values = np.array([[math.nan if v is None else v for v in rows[name]] for name in cells], dtype=np.float64).T
    return mean_of_cells(values)


def _test(
    title: str, difference: float, low: float, high: float, margin: float | None, higher: float, lower: float
) -> Test:
    found = f"{title}: {difference:+.1%} ({low:+.1%} to {high:+.1%})"
    if margin is None:
        outcome = "met" if higher <= LEVEL else "broken" if lower <= LEVEL else "open"
        said = {"met": "better", "broken": "worse", "open": "neither better nor worse is shown"}[outcome]
        sentence = f"{found}, {said} (p = {lower if outcome == 'broken' else higher:.2g})"
        kind, p_value = "primary", higher
    else:
        outcome = "met" if low > -margin else "broken" if high < -margin else "open"
        said = {
            "met": f"not worse by {margin:.0%}",
            "broken": f"worse by more than {margin:.0%}",
            "open": f"a loss of {margin:.0%} is not ruled out",
        }[outcome]
        sentence, kind, p_value = f"{found}, {said}", "guard", None
    return Test(
        name=title,
        kind=cast("Any", kind),
        outcome=cast("Any", outcome),
        difference=difference,
        low=low,
        high=high,
        margin=margin,
        p_value=p_value,
        sentence=sentence,
    )


def _power(error: float, freedom: float) -> dict[str, float | None]:
    """Chance to show a true difference of 2, 5, 10 and 20 percentage points, and the one that is shown in 80 %."""
    if error <= 0:
        return {}

    def chance(difference: float) -> float:
        if math.isinf(freedom):
            return NormalDist().cdf(difference / error - _Z)
        limit = float(stats.t.ppf(1 - LEVEL, freedom))
        return float(stats.nct.sf(limit, freedom, difference / error))

    low, high = 0.0, 2.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < 0.8 else (low, middle)
    return {
        **{f"{difference:g}": round(chance(difference), 4) for difference in (0.02, 0.05, 0.1, 0.2)},
        "shown_in_80_percent": round(high, 4) if high < 2 else None,
    }


def _transfer(rule: Promotion, candidate: Record, champion: Record | None) -> list[Test]:
    """Gaps to recordings of robots, trace by trace: smaller, or below the floor for both and hardly larger."""
    if rule.transfer == "ignored":
        return []
    ours = candidate.transfer.metrics
    theirs = champion.transfer.metrics if champion is not None else dict[str, Metric]()
    gaps = sorted(name for name in ours.keys() | theirs.keys() if name.endswith("/gap"))
    if not gaps:
        if rule.transfer == "where_measured":
            return []
        sentence = "transfer: neither was replayed against recordings of robots, and the rule requires it"
        return [Test(name="transfer", kind="transfer", outcome="open", sentence=sentence)]
    return [_gap(rule, name, ours, theirs) for name in gaps]


def _gap(rule: Promotion, name: str, ours: Mapping[str, Metric], theirs: Mapping[str, Metric]) -> Test:
    place = name.removesuffix("/gap")
    a, b = ours.get(name), theirs.get(name)
    title = f"gap to {place}"
    if a is None or b is None or a.value is None or b.value is None or a.version != b.version:
        why = "of other versions" if a and b and a.version != b.version else "measured for one of them only"
        return Test(name=title, kind="transfer", outcome="open", sentence=f"{title}: {why}")
    limit = ours.get(f"{place}/limit") or ours.get(f"{place}/floor")
    floor = limit.value if limit is not None else None
    change = a.value - b.value  # a smaller gap is better
    found = f"{title}: {b.value:.3f} before, {a.value:.3f} now"
    a_high, b_low = a.high if a.high is not None else a.value, b.low if b.low is not None else b.value
    a_low, b_high = a.low if a.low is not None else a.value, b.high if b.high is not None else b.value
    if floor is not None and a.value <= floor and b.value <= floor:
        met = change <= rule.transfer_margin
        outcome, said = ("met", "both below the floor") if met else ("broken", "below the floor, but larger by more")
    elif a_high < b_low or (a.value < b.value and floor is not None and a.value <= floor):
        outcome, said = "met", "smaller"
    elif a_low > b_high:
        outcome, said = "broken", "larger"
    else:
        outcome, said = "open", "neither smaller nor larger is shown"
    return Test(
        name=title, kind="transfer", outcome=cast("Any", outcome), difference=-change, margin=rule.transfer_margin,
        sentence=f"{found}, {said}",
    )  # fmt: skip
