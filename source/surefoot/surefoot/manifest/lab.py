"""What a manifest says of a lab whose robot or terms it names: a manifest holds names, and the lab what they mean."""

from typing import Annotated

from pydantic import Field

from surefoot.manifest.base import Name, Section


class LabRecord(Section):
    """A package that has to be installed before the manifest means anything."""

    package: Name
    """Name that pip knows."""
    version: Annotated[str, Field(pattern=r"^[\w.+!-]+$", max_length=80)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of its Python files, and of the folder of the robot's model where that is its own."""
