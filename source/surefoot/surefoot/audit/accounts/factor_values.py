"""Which values of the randomised factors are in force: what was drawn, episode by episode, in three numbers each."""

from collections.abc import Mapping

import torch
from torch import Tensor

from surefoot.audit.accounts.metrics import Flush, define

_VALUE = "over environments, of the value in force at the end of the iteration; in the factor's own unit"
MEAN = define("factor/mean", "factor's", f"mean {_VALUE}", axes=("factor",))
MIN = define("factor/min", "factor's", f"smallest {_VALUE}", axes=("factor",))
MAX = define("factor/max", "factor's", f"largest {_VALUE}", axes=("factor",))


def factor_metrics(values: Mapping[str, Tensor]) -> Flush:
    """Metrics of one instant, on the host, from one transfer; none without a factor.

    Args:
        values: `Buckets.values`, in the order of the axis `factor`. Shape (num_envs,) each.
    """
    if not values:
        return {}
    table = torch.stack([value.to(torch.float64) for value in values.values()])
    mean, low, high = torch.stack((table.mean(dim=1), table.amin(dim=1), table.amax(dim=1))).cpu()
    return {MEAN: mean, MIN: low, MAX: high}
