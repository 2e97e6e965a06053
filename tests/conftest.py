"""Fixtures of all tests. `surefoot` is imported before torch: it sets how OpenMP threads wait."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import engines_here
import surefoot
from surefoot.manifest import Manifest, compose_manifest
from surefoot.mdp import registry
from surefoot_tasks import manifest_root

GO1_FLAT = "Surefoot-Velocity-Flat-Unitree-Go1-v0"

assert surefoot.__version__

SHARED = Path(os.environ.get("SUREFOOT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
if (SHARED / "menagerie").is_dir():  # elsewhere the package downloads what is missing, or the test says so
    os.environ.setdefault("MENAGERIE_ROOT", str(SHARED / "menagerie"))

# The same examples in every run: a failure belongs to the change that caused it.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_sessionstart() -> None:
    """An engine that the caller names must be here: nothing passes, and nothing is skipped, because it is missing."""
    for engine in engines_here.named():
        if lacking := engines_here.missing(engine):
            pytest.exit(f"{engines_here.VARIABLE} names engine {engine!r}, which is not here: {lacking}", returncode=4)


@pytest.fixture
def make_env(engine: str) -> Iterator[engines_here.Builder]:
    """Builds environments of an engine, and closes them after the test. Of tests that are parametrised over engines."""
    builder = engines_here.Builder(engine)
    yield builder
    builder.close()


@pytest.fixture(scope="session")
def go1_manifest() -> Manifest:
    """The Go1 flat task as its files say; frozen, so one is enough."""
    return compose_manifest(manifest_root(), GO1_FLAT)


@pytest.fixture
def own_terms() -> Iterator[None]:
    """Terms that a test registers are gone after it."""
    before = {kind: dict(terms) for kind, terms in registry._TERMS.items()}
    mirrors = dict(registry.MIRROR)
    yield
    for kind, terms in registry._TERMS.items():
        terms.clear()
        terms.update(before[kind])
    registry.MIRROR.clear()
    registry.MIRROR.update(mirrors)


@pytest.fixture
def own_root(tmp_path: Path) -> Path:
    """A copy of the manifests that a test may edit."""
    root = tmp_path / "manifests"
    shutil.copytree(manifest_root(), root)
    return root
