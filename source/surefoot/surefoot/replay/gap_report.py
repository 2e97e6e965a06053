"""A replay as JSON for machines and as text for people."""

import math
from typing import Any

import numpy as np

from surefoot.replay import gap as gaps
from surefoot.replay.bucket_evidence import FactorEvidence
from surefoot.replay.contact_timing import ContactTiming
from surefoot.replay.similarity import correlation, energy_ratio, lag, spectral_distance
from surefoot.replay.trace_run import ReplayResult
from surefoot.reporting import finite, number
from surefoot.traces.trace import FloatArray

SCHEMA_VERSION = 1


def to_plain(result: ReplayResult) -> dict[str, Any]:
    """The whole result as plain values; None stands for what could not be measured."""
    gap, best = result.gap, result.evidence.best
    joints = result.manifest.robot.joint_names
    plain = {
        "schema_version": SCHEMA_VERSION,
        "score_version": gaps.SCORE_VERSION,
        "trace": result.trace.header.name,
        "trace_sha256": result.trace.header.content_sha256,
        "robot": result.manifest.robot.name,
        "task": result.manifest.name,
        "manifest_sha256": result.manifest.sha256,
        "engine": result.engine,
        "mode": result.mode,
        "step_dt": result.windows.step_dt,
        "horizon": result.windows.step_dt * result.windows.num_steps,
        "windows": len(result.windows),
        "dropped": result.windows.dropped | ({"simulation broke": result.broken} if result.broken else {}),
        "base": result.base.sources,
        "lead": result.lead,
        "score": float(gap.scores[best]),
        "worst_score": float(gap.scores.max()),
        "persistence": result.persistence,
        "weights": gap.weights,
        "absent": list(gap.absent),
        # `gap.weights` has what was compared, those without weight included.
        "signals": {name: _signal(result, name, joints) for name in gap.weights},
        "energy_ratio": _energy(result),
        "contact": _contact(result.contact),
        "buckets": [
            {
                "label": label,
                "score": float(gap.scores[index]),
                "share": float(result.evidence.share[index]),
                "values": {name: float(column[index]) for name, column in result.values.items()},
            }
            for index, label in enumerate(result.labels)
        ],
        "best_bucket": result.labels[best],
        "factors": [_factor(factor) for factor in result.evidence.factors],
    }
    return finite(plain)


def _signal(result: ReplayResult, name: str, joints: tuple[str, ...]) -> dict[str, Any]:
    gap, best, dt = result.gap, result.evidence.best, result.windows.step_dt
    real, simulated = result.replayed.real[name], result.replayed.simulated[name][:, best]
    # Signals are of all joints or of three axes.
    components = joints if real.shape[2] == len(joints) else ("x", "y", "z")

    def listed(values: FloatArray) -> dict[str, float]:
        return {part: float(value) for part, value in zip(components, values, strict=True)}

    return {
        "unit": gaps.SIGNALS[name].unit,
        "nrmse": listed(gap.nrmse[name][best]),
        "scale": listed(gap.scale[name]),
        "by_horizon": gaps.by_horizon(real, simulated, gap.scale[name]).mean(axis=1).tolist(),
        "correlation": listed(correlation(real, simulated)),
        "lag": listed(lag(real, simulated, dt)),
        "spectral_distance": listed(spectral_distance(real, simulated, dt)),
        "coverage": listed(result.coverage[name]),
        "excess": listed(result.excess[name]),
    }


def _energy(result: ReplayResult) -> float:
    real, simulated, best = result.replayed.real, result.replayed.simulated, result.evidence.best
    if "tau" not in real:
        return math.nan
    return energy_ratio(simulated["tau"][:, best], simulated["dq"][:, best], real["tau"], real["dq"])


def _contact(contact: ContactTiming) -> dict[str, Any]:
    feet = {
        name: {
            "why_not": foot.why_not,
            "duty_log": foot.duty[0],
            "duty_simulated": foot.duty[1],
            "error": float(np.median(foot.errors)) if len(foot.errors) else math.nan,
            "error_size": float(np.median(np.abs(foot.errors))) if len(foot.errors) else math.nan,
            "events_log": foot.log_events,
            "events_simulated": foot.sim_events,
            "unmatched_log": foot.unmatched_log,
            "unmatched_simulated": foot.unmatched_sim,
        }
        for name, foot in contact.feet.items()
    }
    errors = contact.errors
    return {
        "source": contact.source,
        "error": float(np.median(errors)) if len(errors) else math.nan,
        "error_size": float(np.median(np.abs(errors))) if len(errors) else math.nan,
        "unmatched": contact.unmatched,
        "feet": feet,
    }


def _factor(factor: FactorEvidence) -> dict[str, Any]:
    return {
        "name": factor.name,
        "identified": factor.identified,
        "reason": factor.reason,
        "best_interval": factor.best,
        "share": factor.share.tolist(),
        "score": factor.score.tolist(),
    }


def text(plain: dict[str, Any]) -> str:
    """The report in a few lines and two tables."""
    lines = [
        f"{plain['trace']}: {plain['robot']}, mode {plain['mode']}, engine {plain['engine']}, "
        f"{plain['windows']} windows of {plain['horizon']:.2f} s, {len(plain['buckets'])} buckets",
        "base: " + "; ".join(f"{part} from {source}" for part, source in plain["base"].items()),
    ]
    if plain["lead"]:
        lines.append(f"commands taken to be in force {_ms(plain['lead'])} ms before their stamps")
    if plain["dropped"]:
        lines.append("left out: " + ", ".join(f"{count} windows ({why})" for why, count in plain["dropped"].items()))
    if plain["absent"]:
        lines.append("not compared: " + ", ".join(plain["absent"]))
    lines += [
        f"gap score {plain['score']:.3f} in the best bucket, {plain['worst_score']:.3f} in the worst; a simulator that "
        f"stands still: {plain['persistence']:.3f}; 0 is identical",
        *([_floor(plain)] if "floor" in plain else []),
        f"best bucket: {plain['best_bucket']}",
        "",
        f"{'signal':<14}{'error':>8}{'corr.':>8}{'lag ms':>8}{'spectrum dB':>13}{'in band':>9}",
    ]
    for name, signal in plain["signals"].items():
        lines.append(
            f"{name:<14}{_mean(signal['nrmse']):>8}{_mean(signal['correlation']):>8}"
            f"{_mean(signal['lag'], 1000, 1):>8}{_mean(signal['spectral_distance'], 1, 1):>13}"
            f"{_mean(signal['coverage']):>9}"
        )
    lines += ["", *_contact_lines(plain["contact"]), "", "factors:"]
    for factor in plain["factors"]:
        share = factor["share"][factor["best_interval"]]
        verdict = f"interval {factor['best_interval'] + 1} of {len(factor['share'])} in {share:.0%} of resamples"
        lines.append(
            f"  {factor['name']}: " + (verdict if factor["identified"] else f"not identified: {factor['reason']}")
        )
    if not plain["factors"]:
        lines.append("  none: the task has one bucket")
    return "\n".join(lines)


def _floor(plain: dict[str, Any]) -> str:
    """What the engine adds to a score by itself."""
    if plain["floor"] is None:
        return f"floor of engine {plain['engine']}: unknown; surefoot replay-floor measures it"
    return f"floor of engine {plain['engine']} against {plain['writer']}: {plain['floor']:.3f}"


def _contact_lines(contact: dict[str, Any]) -> list[str]:
    if not contact["source"]:
        return ["contact: not compared, the log has neither foot_force nor foot_contact"]
    told = {name: foot for name, foot in contact["feet"].items() if not foot["why_not"]}
    lines = [f"contact: foot {name} not compared: {foot['why_not']}"
             for name, foot in contact["feet"].items() if foot["why_not"]]  # fmt: skip
    if not told:
        return lines
    duty = ", ".join(f"{name} {foot['duty_log']:.2f}/{foot['duty_simulated']:.2f}" for name, foot in told.items())
    return [
        f"contact ({contact['source']}): events {_ms(contact['error'], '+')} ms after the log's (median; size "
        f"{_ms(contact['error_size'])} ms), {number(contact['unmatched'], '.0%')} without counterpart",
        f"duty factor, log/simulation: {duty}",
        *lines,
    ]


def _ms(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{round(1e3 * value):{sign}d}"


def _mean(values: dict[str, float | None], factor: float = 1.0, digits: int = 2) -> str:
    numbers = [value for value in values.values() if value is not None]
    return f"{factor * float(np.mean(numbers)):.{digits}f}" if numbers else "-"
