"""A made-up run: two terms, three buckets, numbers that a reader can derive from the iteration."""

import torch

from surefoot.audit.accounts.metrics import Flush, define

AXES = {
    "term": ("track", "torques"),
    "cause": ("time_out", "fell"),
    "fault": ("nan",),
    "bucket": ("soft", "medium", "hard"),
    "bin": ("0-1 s", "1-2 s"),
    "factor": ("friction", "payload_mass"),
}
SCALAR = define("case/scalar", "-", "The iteration.")
PER_TERM = define("case/per_term", "1/s", "Iteration times (1, 10).", axes=("term",))
PER_BUCKET_AND_TERM = define(
    "case/per_bucket_and_term", "1/s", "Iteration plus 10 * bucket + term.", axes=("bucket", "term")
)


def flush_of(iteration: int) -> Flush:
    """What an iteration of the made-up run measures."""
    return {
        SCALAR: torch.tensor(float(iteration)),
        PER_TERM: iteration * torch.tensor([1.0, 10.0]),
        PER_BUCKET_AND_TERM: iteration + 10.0 * torch.arange(3.0)[:, None] + torch.arange(2.0),
    }
