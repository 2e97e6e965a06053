"""Quantiles of the F distribution, without SciPy.

Source: DLMF 8.17.22 (continued fraction of the incomplete beta function), evaluated by Lentz's method.
"""

import math
from functools import lru_cache

_TINY = 1e-300
_STEPS = 500


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b), a and b > 0, x in [0, 1]."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on one side only
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1 / _away_from_zero(1 + step * d)
            c = _away_from_zero(1 + step / c)
            value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return math.exp(front) * value / a


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def f_cdf(f: float, between: float, within: float) -> float:
    """P(F <= f) with `between` and `within` degrees of freedom."""
    return incomplete_beta(between / 2, within / 2, between * f / (between * f + within))


@lru_cache(maxsize=256)
def f_quantile(probability: float, between: float, within: float) -> float:
    """The f with P(F <= f) = probability, by bisection to a relative 1e-9 of the beta variable.

    Args:
        probability: Strictly between 0 and 1.
        between: Degrees of freedom of the numerator.
        within: Degrees of freedom of the denominator.
    """
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if incomplete_beta(between / 2, within / 2, middle) < probability:
            low = middle
        else:
            high = middle
        if high - low < 1e-9 * min(low, 1 - high):
            break
    beta = (low + high) / 2
    return within * beta / (between * (1 - beta)) if beta < 1 else math.inf
