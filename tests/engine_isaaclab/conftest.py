"""Isaac Lab as it is here: 3.0 on Newton, 2.3 on Isaac Sim or on its double, or none."""

import pytest

import engines_here


@pytest.fixture(scope="session")
def isaaclab() -> str:
    """Version, launched; skips where there is none, with the reason."""
    if lacking := engines_here.missing("isaaclab"):
        pytest.skip(lacking)
    from surefoot.engines.isaaclab import compat

    version = compat.isaaclab_version()
    compat.launch(version, engines_here.isaaclab_backend(), "cpu")
    return version
