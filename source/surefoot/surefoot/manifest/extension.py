"""What a task was given in Python, beside its manifest: named and hashed, because a manifest cannot say it."""

from typing import Annotated

from pydantic import Field

from surefoot.manifest.base import Section

Path = Annotated[str, Field(pattern=r"^\w+(\.\w+)+$", max_length=200)]
"""Section and name, as in `rewards.upright`."""


class Extension(Section):
    """Terms and sensors of Isaac Lab's configuration that do not follow from the manifest.

    It is a record: what it names exists only where its Python code runs, which is Isaac Lab's own trainer.
    """

    added: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Where each stands in Isaac Lab's configuration, in its order."""
    time_outs: tuple[str, ...] = ()
    """Names of the added terminations that are time-outs."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the configuration of all of them, and of the source of the functions that they name."""

    def names(self, section: str) -> tuple[str, ...]:
        """Names that were added to a section, such as `rewards`."""
        return tuple(path.removeprefix(f"{section}.") for path in self.added if path.startswith(f"{section}."))

    @property
    def summary(self) -> str:
        """What was added, and the hash, for a sentence."""
        return f"{', '.join(self.added)} (configuration sha256 {self.sha256[:12]})"
