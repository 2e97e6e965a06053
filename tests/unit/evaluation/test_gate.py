"""The rule of the gate on episodes that a reader can count."""

import numpy as np
import pytest

from gate_cases import record, report
from surefoot.errors import PanelError
from surefoot.evaluation.gate import Judgement, judge
from surefoot.manifest.promotion import Guard, Promotion

RULE = Promotion(seeds=1)
CELLS = [f"cell_{n}" for n in range(10)]


def episodes(won: int, n: int = 8) -> list[float]:
    return [1.0] * won + [0.0] * (n - won)


def shares(won: int, **other: int) -> dict[str, list[float]]:
    """Ten held-out cells and a control; each with so many of eight episodes won."""
    return {name: episodes(other.get(name, won)) for name in (*CELLS, "control")}


def of(won: int, **other: int) -> dict:
    return report(shares(won, **{"control": 8} | other), controls=("control",))


def decide(candidate: dict, champion: dict | None, rule: Promotion = RULE, **changes) -> Judgement:
    return judge(rule, [candidate], [champion] if champion else [], [record(**changes)], [record()])


def test_better_in_every_cell_is_promoted_and_worse_is_refused():
    rule = RULE.model_copy(update={"control_margin": 0.5})
    better = decide(of(7), of(4), rule)
    assert better.verdict == "promote"
    primary = better.tests[0]
    assert primary.difference == pytest.approx(3 / 8) and primary.p_value == pytest.approx(1e-4)
    assert decide(of(4), of(7), rule).verdict == "refuse"
    equal = decide(of(5), of(5), rule)
    assert equal.verdict == "not enough evidence" and equal.power["0.1"] > 0.9


def test_one_win_is_not_enough_evidence():
    found = decide(of(5, cell_0=6), of(5), RULE)
    assert found.verdict == "not enough evidence"
    assert any("neither better nor worse" in reason for reason in found.reasons)


def test_better_on_average_but_worse_in_a_declared_group_is_refused():
    rule = RULE.model_copy(update={"control_margin": 0.5, "guards": {"ice": Guard(cells=("cell_0", "cell_1"))}})
    found = decide(of(8, cell_0=0, cell_1=0), of(4, cell_0=8, cell_1=8), rule)
    assert found.tests[0].outcome == "met"
    assert found.verdict == "refuse" and "success in ice: -100.0%" in found.reasons[0]
    with pytest.raises(PanelError, match="no cell of the panel is called snow"):
        decide(of(8), of(4), RULE.model_copy(update={"guards": {"snow": Guard(cells=("snow*",))}}))


def test_a_loss_in_controls_that_is_not_ruled_out_is_not_enough_evidence():
    found = decide(of(7), of(4), RULE)  # 8 pairs of one control do not rule out a loss of 10 %
    assert found.verdict == "not enough evidence" and "success in controls" in found.reasons[0]


def test_the_first_champion_needs_a_score():
    assert decide(of(4), None).verdict == "promote"
    assert decide(of(3), None).verdict == "refuse"


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({"faults": {"steps": {}, "invalid_share": 0.02, "evaluations": 0}}, "refuse", "2.00% of its steps are faults"),
        ({"faults": {"steps": {}, "invalid_share": None, "evaluations": 0}}, "not enough evidence", "is not known"),
        ({"alerts": {"by_kind": {"x": 101}, "by_action": {}}}, "refuse", "101 alerts"),
        ({"unanswered": ("000001-a-1",)}, "not enough evidence", "1 evaluations have no result"),
        ({"status": "running"}, "not enough evidence", "its status is running"),
        ({"status": "failed"}, "refuse", "its status is failed"),
    ],
)
def test_preconditions(changes: dict, verdict: str, said: str):
    found = decide(of(8), None, **changes)
    assert found.verdict == verdict and any(said in reason for reason in found.reasons)


def test_other_panels_and_invalid_results_are_no_evidence():
    with pytest.raises(PanelError, match="different panels"):
        decide(of(7), of(4) | {"panel_sha256": "3" * 64})
    with pytest.raises(PanelError, match="not valid"):
        decide(of(7) | {"valid": False, "reasons": ["broke"]}, None)


def transfer(gap: float, high: float | None = None, low: float | None = None, limit: float = 1.0) -> dict:
    def metric(value: float, **ends: float | None) -> dict:
        return {"value": value, **ends, "version": 1}

    return {"metrics": {"t/open/gap": metric(gap, low=low, high=high), "t/open/limit": metric(limit)}, "tags": ()}


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome"),
    [
        (transfer(0.5), transfer(0.45), "met"),  # both below the floor, larger by less than the margin
        (transfer(0.9), transfer(0.5), "broken"),  # below the floor, larger by more
        (transfer(2.0, 2.2, 1.8), transfer(3.0, 3.3, 2.7), "met"),
        (transfer(3.0, 3.3, 2.7), transfer(2.0, 2.2, 1.8), "broken"),
        (transfer(2.0, 3.0, 1.0), transfer(2.2, 3.2, 1.2), "open"),
        (transfer(2.0), {"metrics": {}, "tags": ()}, "open"),
    ],
)
def test_gaps_to_recordings(ours: dict, theirs: dict, outcome: str):
    found = judge(RULE, [of(7)], [of(4)], [record(transfer=ours)], [record(transfer=theirs)])
    (test,) = [test for test in found.tests if test.kind == "transfer"]
    assert test.outcome == outcome


def test_recordings_that_are_required_and_absent():
    rule = RULE.model_copy(update={"transfer": "required", "control_margin": 0.5})
    assert decide(of(7), of(4), rule).verdict == "not enough evidence"


def test_seeds_are_the_unit_where_there_are_several():
    rule = Promotion(seeds=3, control_margin=0.5)

    def decide_seeds(ours: list[int], theirs: list[int]) -> Judgement:
        return judge(rule, [of(w) for w in ours], [of(w) for w in theirs], [record()] * len(ours), [record()])

    good = decide_seeds([6, 7, 8], [2, 3, 3])
    # Means 7/8 and 8/3/8, variances 1/64 and 1/192: difference 0.5417, standard error 0.0833, 3.2 degrees of freedom.
    assert good.unit == "seeds" and good.verdict == "promote"
    assert good.tests[0].difference == pytest.approx(7 / 8 - 8 / 24)
    # One seed of three carries it: 240 episodes say yes, three trainings do not.
    assert decide_seeds([8, 4, 4], [4, 4, 4]).verdict == "not enough evidence"
    few = judge(rule, [of(7)], [of(4)], [record()], [record()])
    assert few.unit == "episodes" and any("1 of 3 trainings" in reason for reason in few.reasons)


def test_equal_policies_are_promoted_in_at_most_five_percent():
    draw, promoted = np.random.default_rng(2), 0
    share = np.array([0.0, 0.1, 0.5, 0.8, 0.95, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    for _ in range(300):
        a, b = ({n: list((draw.random(8) < p).astype(float)) for n, p in zip((*CELLS, "control"), share, strict=True)}
                for _ in range(2))  # fmt: skip
        both = [report(one, controls=("control",)) for one in (a, b)]
        promoted += judge(RULE, [both[0]], [both[1]], [record()]).tests[0].outcome == "met"
    assert promoted / 300 <= 0.085  # 5 % and 2.8 standard deviations
