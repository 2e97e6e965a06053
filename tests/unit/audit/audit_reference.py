"""The accounts once more, in plain Python with one loop per environment and step: what `Accounts` must agree with."""

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from scipy import stats

from surefoot.audit.accounts.step import AuditLayout, AuditStep
from surefoot.manifest.audit import Audit

NAN = math.nan
MEDIANS = (statistics.median_low, statistics.median_high)


@dataclass
class Episode:
    bucket: int
    rates: list[list[float]]
    rewards: list[float]
    errors: list[float]
    yaw_errors: list[float]
    moving: list[bool]


@dataclass
class End:
    bucket: int
    failed: bool
    holds: list[int]
    length: int
    episode: Episode | None
    """None where the account did not see the whole of it."""


def divide(a: float, b: float) -> float:
    return a / b if b else NAN


def mean(values: list[float]) -> float:
    return divide(math.fsum(values), len(values))


def std(values: list[float]) -> float:
    middle = mean(values)
    return math.sqrt(mean([(value - middle) ** 2 for value in values])) if values else NAN


def correlation(x: list[float], y: list[float]) -> float:
    if not x or std(x) < 1e-7 * (abs(mean(x)) + 1e-300) or std(y) < 1e-7 * (abs(mean(y)) + 1e-300):
        return NAN
    mx, my = mean(x), mean(y)
    return mean([(a - mx) * (b - my) for a, b in zip(x, y, strict=True)]) / (std(x) * std(y))


class Reference:
    """`step` and `flush` of one run; everything is kept, nothing is summed early."""

    def __init__(self, layout: AuditLayout, config: Audit) -> None:
        self.layout, self.config = layout, config
        self.largest = [0.0] * len(layout.reward_terms)
        self.running: list[Episode | None] = [None] * layout.num_envs
        self.pooled: list[list[End]] = []
        self.earned: list[dict[tuple[int, int], list[float]]] = []
        """Of each iteration: rewards by environment and bucket, where the bucket stayed."""
        self.ends_of_step: list[int] = []
        self.was_invalid = [False] * layout.num_envs
        self.tested_from = config.synchrony.half_window
        self._begin()

    def _begin(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.ends: list[End] = []
        self.fault_rows: list[tuple[int, list[int]]] = []
        self.fault_episodes = 0
        self.total_rows = 0
        self.all_rows: list[list[tuple[int, float | None]]] = [[] for _ in range(self.layout.num_envs)]

    def step(self, step: AuditStep) -> None:
        data = {name: getattr(step, name).tolist() for name in step.__dataclass_fields__}
        ends = 0
        valid = [not any(kinds) for kinds in data["fault"]]
        for env, ok in enumerate(valid):
            if ok:
                self.largest = [max(m, abs(r)) for m, r in zip(self.largest, data["rates"][env], strict=True)]
        for env in range(self.layout.num_envs):
            row = {name: values[env] for name, values in data.items()}
            self.total_rows += 1
            self.all_rows[env].append((row["bucket"], row["reward"] if valid[env] else None))
            if not valid[env]:
                self.fault_rows.append((row["bucket"], [k for k, holds in enumerate(row["fault"]) if holds]))
                self.fault_episodes += not self.was_invalid[env] or row["episode_steps"] == 1
                self.running[env] = None
                ends += 1
                continue
            row["saturated"] = [m > 0 and abs(r) >= 0.99 * m for m, r in zip(self.largest, row["rates"], strict=True)]
            row["inactive"] = [abs(r) <= 0.01 * m for m, r in zip(self.largest, row["rates"], strict=True)]
            self.rows.append(row)
            episode = self.running[env] or Episode(row["bucket"], [], [], [], [], [])
            self.running[env] = episode
            episode.rates.append(row["rates"])
            episode.rewards.append(row["reward"])
            episode.errors.append(row["lin_vel_error"])
            episode.yaw_errors.append(row["yaw_rate_error"])
            episode.moving.append(row["is_moving"])
            if row["terminated"] or row["truncated"]:
                ends += 1
                seen = episode if len(episode.rates) == row["episode_steps"] else None
                holds = [cause for cause, value in enumerate(row["causes"]) if value]
                self.ends.append(End(row["bucket"], row["terminated"], holds, row["episode_steps"], seen))
                self.running[env] = None
        self.ends_of_step.append(ends)
        self.was_invalid = [not ok for ok in valid]

    def flush(self) -> dict[str, Any]:
        self.pooled = [*self.pooled, self.ends][-self.config.window :]
        now: dict[tuple[int, int], list[float]] = {}
        for env, rows in enumerate(self.all_rows):
            if len({bucket for bucket, _ in rows}) == 1:
                now[env, rows[0][0]] = [reward for _, reward in rows if reward is not None]
        self.earned = [*self.earned, now][-self.config.window :]
        out = {
            **self._rewards("reward", self.rows, scalar=True),
            **self._by_bucket("reward_by_bucket"),
            **self._residual(),
            **self._episodes(),
            **self._terminations(),
            **self._faults(),
            **self._buckets(),
        }
        self._begin()
        return out

    def _rewards(self, group: str, rows: list[dict[str, Any]], *, scalar: bool = False) -> dict[str, Any]:
        terms = range(len(self.layout.reward_terms))
        columns = [[row["rates"][t] for row in rows] for t in terms]
        gains = [math.fsum(max(0.0, r) for r in column) for column in columns]
        costs = [math.fsum(min(0.0, r) for r in column) for column in columns]
        paying = [mean([float(r > 0) for r in column]) for column in columns]
        costing = [mean([float(r < 0) for r in column]) for column in columns]
        out: dict[str, Any] = {
            "mean_per_s": [mean(column) for column in columns],
            "std_per_s": [std(column) for column in columns],
            "positive_share": [divide(gain, sum(gains)) for gain in gains],
            "negative_share": [divide(cost, sum(costs)) for cost in costs],
            "sign": [a - b for a, b in zip(paying, costing, strict=True)],
            "saturation": [mean([float(row["saturated"][t]) for row in rows]) for t in terms],
            "steps": len(rows),
        }
        if scalar:
            out["paying"], out["costing"] = paying, costing
            out["inactive"] = [mean([float(row["inactive"][t]) for row in rows]) for t in terms]
            out["largest_per_s"] = self.largest
            out["total_per_s"] = mean([math.fsum(row["rates"]) for row in rows])
            out["total_per_step"] = mean([row["reward"] for row in rows])
            out["received"] = math.fsum(row["reward"] for row in rows)
            out["accounted"] = self.layout.step_dt * math.fsum(r for row in rows for r in row["rates"])
        return {f"{group}/{name}": value for name, value in out.items()}

    def _by_bucket(self, group: str) -> dict[str, Any]:
        tables: dict[str, list[Any]] = defaultdict(list)
        for bucket in range(len(self.layout.bucket_labels)):
            rows = [row for row in self.rows if row["bucket"] == bucket]
            for name, value in self._rewards(group, rows).items():
                tables[name].append(value)
        return dict(tables)

    def _residual(self) -> dict[str, Any]:
        worst = 0.0
        for row in self.rows:
            difference = abs(row["reward"] - self.layout.step_dt * math.fsum(row["rates"]))
            worst = max(worst, difference / (self.layout.step_dt * math.fsum(map(abs, row["rates"]))))
        return {"reward/residual": worst}

    def _success(self, end: End) -> bool:
        return not end.failed and end.episode is not None and mean(end.episode.errors) <= self.config.success_error

    def _correlations(self, ends: list[End]) -> dict[str, list[float]]:
        out: dict[str, list[float]] = {"success": [], "error": []}
        for t in range(len(self.layout.reward_terms)):
            rates = [mean([r[t] for r in end.episode.rates]) for end in ends if end.episode]
            out["success"].append(correlation(rates, [float(self._success(end)) for end in ends]))
            out["error"].append(correlation(rates, [mean(end.episode.errors) for end in ends if end.episode]))
        return out

    def _episodes(self) -> dict[str, Any]:
        dt, terms = self.layout.step_dt, range(len(self.layout.reward_terms))
        now = [end.episode for end in self.ends if end.episode]
        whole_ends = [end for end in self.ends if end.episode]
        pooled = [end for ends in self.pooled for end in ends if end.episode]
        found = self._correlations(pooled)
        given = [self._given_command(pooled, t) for t in terms]
        returns = [math.fsum(episode.rewards) for episode in now]
        return {
            "reward/mean_per_episode": [mean([dt * math.fsum(r[t] for r in e.rates) for e in now]) for t in terms],
            "reward/success_correlation": found["success"],
            "reward/success_correlation_given_command": [middle for middle, _ in given],
            "reward/success_correlation_high": [high for _, high in given],
            "reward/error_correlation": found["error"],
            "reward_by_bucket/success_correlation": [
                self._correlations([end for end in pooled if end.bucket == bucket])["success"]
                for bucket in range(len(self.layout.bucket_labels))
            ],
            "reward/pooled_successes": sum(self._success(end) for end in pooled),
            "reward/pooled_others": sum(not self._success(end) for end in pooled),
            "episode/count": len(now),
            "episode/return_mean": mean(returns),
            "episode/return_std": std(returns),
            "episode/success_rate": mean([float(self._success(end)) for end in whole_ends]),
            "episode/lin_vel_error": mean([mean(episode.errors) for episode in now]),
            "episode/yaw_rate_error": mean([mean(episode.yaw_errors) for episode in now]),
        }

    def _given_command(self, ends: list[End], term: int) -> tuple[float, float]:
        """Partial correlation and its upper end: differences of means within strata, weighted by n p q."""
        strata: list[tuple[list[float], list[float]]] = [([], []) for _ in range(3)]
        for end in ends:
            assert end.episode is not None
            share = sum(end.episode.moving) / len(end.episode.moving)
            strata[min(2, int(3 * share))][not self._success(end)].append(mean([r[term] for r in end.episode.rates]))
        used = [(hits, others) for hits, others in strata if len(hits) >= 2 and len(others) >= 2]
        weights = [len(hits) * len(others) / (len(hits) + len(others)) for hits, others in used]
        within = sum(std([*hits, *others]) ** 2 * (len(hits) + len(others)) for hits, others in used)
        if not used or within < 1e-12:
            return NAN, NAN
        shares = [weight / sum(weights) for weight in weights]
        difference = sum(w * (mean(hits) - mean(others)) for w, (hits, others) in zip(shares, used, strict=True))
        errors = [sum(std(part) ** 2 / (len(part) - 1) for part in both) for both in used]
        error = math.sqrt(sum(w**2 * e for w, e in zip(shares, errors, strict=True)))
        scale = math.sqrt(sum(weights) / within)
        return difference * scale, min(1.0, (difference + 1.959963984540054 * error) * scale)

    def _primary(self, end: End) -> int | None:
        failures = [cause for cause in end.holds if not self.layout.cause_is_time_out[cause]]
        return next(iter(failures or end.holds), None)

    def _terminations(self) -> dict[str, Any]:
        layout, bins = self.layout, self.config.length_bins
        causes, buckets = range(len(layout.causes)), range(len(layout.bucket_labels))
        ends, failures = self.ends, [end for end in self.ends if end.failed]

        def histogram(some: list[End]) -> list[int]:
            counts = [0] * bins
            for end in some:
                if end.episode:
                    counts[math.ceil(end.length * bins / layout.max_episode_steps) - 1] += 1
            return counts

        def of(bucket: int, some: list[End]) -> list[End]:
            return [end for end in some if end.bucket == bucket]

        primary = [[end for end in ends if self._primary(end) == cause] for cause in causes]
        whole = [end.length * layout.step_dt for end in ends if end.episode]
        most, smallest = self._synchrony()
        return {
            "termination/episodes": len(ends),
            "termination/failures": len(failures),
            "termination/time_outs": len(ends) - len(failures),
            "termination/faults": self.fault_episodes,
            "termination/failure_rate": divide(len(failures), len(ends)),
            "termination/primary": [len(some) for some in primary],
            "termination/primary_share": [divide(len(some), len(ends)) for some in primary],
            "termination/together": [[sum({a, b} <= {*e.holds} for e in ends) for b in causes] for a in causes],
            "termination/unexplained": sum(not end.holds for end in ends),
            "termination/partial": sum(end.episode is None for end in ends),
            "termination/length_mean": mean(whole),
            "termination/length_histogram": histogram(ends),
            "termination/length_by_cause": [histogram(some) for some in primary],
            "termination_by_bucket/episodes": [len(of(bucket, ends)) for bucket in buckets],
            "termination_by_bucket/failure_rate": [divide(len(of(b, failures)), len(of(b, ends))) for b in buckets],
            "termination_by_bucket/primary": [[len(of(b, some)) for some in primary] for b in buckets],
            "termination_by_bucket/length_histogram": [histogram(of(b, ends)) for b in buckets],
            "termination/most_at_once": most,
            "termination/at_once_p": smallest,
        }

    def _synchrony(self) -> tuple[float, float]:
        half, n = self.config.synchrony.half_window, self.layout.num_envs
        most, smallest = 0.0, 1.0
        last = len(self.ends_of_step) - half
        for t in range(self.tested_from, last):
            k, nearby = self.ends_of_step[t], sum(self.ends_of_step[t - half : t + half + 1])
            most = max(most, k / n)
            if k >= max(2, self.config.synchrony.min_share * n):
                smallest = min(smallest, float(stats.binom.sf(k - 1, nearby, 1 / (2 * half + 1))))
        self.tested_from = max(self.tested_from, last)
        return most, smallest

    def _faults(self) -> dict[str, Any]:
        kinds, buckets = range(len(self.layout.fault_kinds)), range(len(self.layout.bucket_labels))
        rows = self.fault_rows
        return {
            "fault/steps": [sum(k in found for _, found in rows) for k in kinds],
            "fault/invalid_steps": len(rows),
            "fault/invalid_share": divide(len(rows), self.total_rows),
            "fault_by_bucket/steps": [[sum(k in found for b, found in rows if b == i) for k in kinds] for i in buckets],
            "fault_by_bucket/invalid_steps": [sum(b == bucket for b, _ in rows) for bucket in buckets],
        }

    def _buckets(self) -> dict[str, Any]:
        out: dict[str, Any] = defaultdict(list)
        for bucket in range(len(self.layout.bucket_labels)):
            ends = [end for some in self.pooled for end in some if end.bucket == bucket and end.episode]
            episodes = [end.episode for end in ends if end.episode]
            returns = [math.fsum(episode.rewards) for episode in episodes]
            errors = [mean(episode.errors) for episode in episodes]
            out["bucket/episodes"].append(len(episodes))
            out["bucket/return_mean"].append(mean(returns))
            out["bucket/return_std"].append(std(returns))
            out["bucket/success_rate"].append(mean([float(self._success(end)) for end in ends]))
            out["bucket/lin_vel_error"].append(mean(errors))
            out["bucket/lin_vel_error_std"].append(std(errors))
            out["bucket/yaw_rate_error"].append(mean([mean(episode.yaw_errors) for episode in episodes]))
        pairs: dict[tuple[int, int], list[float]] = defaultdict(list)
        for iteration in self.earned:
            for pair, rewards in iteration.items():
                pairs[pair] += rewards
        groups: list[list[float]] = [[] for _ in self.layout.bucket_labels]
        for (_, bucket), rewards in pairs.items():
            if rewards:
                groups[bucket].append(mean(rewards) / self.layout.step_dt)
        out["bucket/reward_per_s"] = [mean(group) for group in groups]
        return {**out, **spread_of([group for group in groups if len(group) >= 4])}


def spread_of(groups: list[list[float]]) -> dict[str, float]:
    """One-way analysis of variance by the textbook, with SciPy's F distribution."""
    names = ("icc", "icc_low", "icc_high", "between", "within", "gap", "ratio", "gap_z", "median", "rms")
    if len(groups) < 2:
        nothing = {f"spread/return_{name}": NAN for name in names}
        return nothing | {"spread/buckets": len(groups), "spread/cross_bucket_variance": NAN}
    k, values = len(groups), [value for group in groups for value in group]
    n, grand = len(values), mean(values)
    between = sum(len(g) * (mean(g) - grand) ** 2 for g in groups) / (k - 1)
    within = sum((value - mean(g)) ** 2 for g in groups for value in g) / (n - k)
    n0 = (n - sum(len(g) ** 2 for g in groups) / n) / (k - 1)

    def icc(f: float) -> float:
        return (f - 1) / (f + n0 - 1)

    f = between / within
    distances = [max(abs(mean(g) - middle([*map(mean, groups)])) for middle in MEDIANS) for g in groups]
    variance = max(0.0, (between - within) / n0)
    found = (
        icc(f),
        icc(f / stats.f.ppf(0.975, k - 1, n - k)),
        icc(f / stats.f.ppf(0.025, k - 1, n - k)),
        math.sqrt(variance),
        math.sqrt(within),
        max(distances),
        variance / within,
        max(distances) / math.sqrt(within / len(groups[distances.index(max(distances))])),
        MEDIANS[0]([*map(mean, groups)]),
        math.sqrt(mean([value**2 for value in values])),
    )
    named = {f"spread/return_{name}": value for name, value in zip(names, found, strict=True)}
    return named | {"spread/buckets": k, "spread/cross_bucket_variance": variance / mean([v**2 for v in values])}


def as_tensors(found: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}
