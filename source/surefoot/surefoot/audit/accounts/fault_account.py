"""What the simulator broke: invalid steps by kind and bucket. Nothing else counts them."""

import torch
from torch import Tensor

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import Block
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout

define("fault/steps", "steps", "environment steps of the iteration in which the fault kind holds", axes=("fault",))
define("fault/invalid_steps", "steps", "environment steps of the iteration in which any fault kind holds")
define("fault/invalid_share", "-", "invalid_steps / environment steps of the iteration; NaN without a step")
define("fault_by_bucket/steps", "steps", "see fault/steps; environments of the bucket", axes=("bucket", "fault"))
define("fault_by_bucket/invalid_steps", "steps", "see fault/invalid_steps", axes=("bucket",))


class FaultAccount(Account):
    """Invalid steps by kind and bucket."""

    def __init__(self, layout: AuditLayout, device: str | torch.device) -> None:
        kinds, buckets = len(layout.fault_kinds), len(layout.bucket_labels)
        super().__init__({"steps": (buckets, kinds), "invalid": (buckets,), "all": ()}, device)

    def add(self, block: Block, episodes: Episodes) -> None:
        self.sums["all"].add_(block.valid.numel())
        if block.clean:
            return
        rows = block.bucket.flatten()
        self.sums["steps"].index_add_(0, rows, block.fault.flatten(0, 1).to(torch.float64))
        self.sums["invalid"].index_add_(0, rows, (~block.valid).flatten().to(torch.float64))

    def metrics(self, sums: dict[str, Tensor]) -> Flush:
        invalid = sums["invalid"].sum()
        return {
            "fault/steps": sums["steps"].sum(dim=0),
            "fault/invalid_steps": invalid,
            "fault/invalid_share": invalid / sums["all"],
            "fault_by_bucket/steps": sums["steps"],
            "fault_by_bucket/invalid_steps": sums["invalid"],
        }
