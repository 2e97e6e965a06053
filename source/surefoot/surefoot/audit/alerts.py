"""What an account noticed and somebody should see."""

from dataclasses import dataclass

from surefoot.manifest.audit import Action


@dataclass(frozen=True)
class Alert:
    """One finding of one iteration."""

    kind: str
    """Name of the rule, a key of the manifest's `audit.actions`."""
    iteration: int
    subject: str
    """Term, cause, bucket or fault that it is about."""
    message: str
    """One sentence with the numbers and the threshold."""
    action: Action
