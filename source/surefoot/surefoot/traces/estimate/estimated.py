"""An estimated number, or the reason why there is none."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimated:
    """A number from a log.

    Attributes:
        value: In `unit`; meaningless where `reason` says so.
        interval: 95 %.
        r2: Share of the variance that the fit explains.
        reason: Why it cannot be identified; empty where it can.
    """

    value: float
    unit: str
    interval: tuple[float, float]
    r2: float
    reason: str = ""

    @property
    def identified(self) -> bool:
        """Whether the log determines the number."""
        return not self.reason

    def __str__(self) -> str:
        if self.reason:
            return f"cannot be identified: {self.reason}"
        return (
            f"{self.value:.4g} {self.unit} (95 %: {self.interval[0]:.4g} to {self.interval[1]:.4g}, R2 {self.r2:.3f}), "
            "estimated"
        )
