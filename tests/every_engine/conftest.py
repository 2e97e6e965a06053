"""Tests of this folder run once for each engine that is here; see `engines_here`."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import engines_here
from surefoot.engines import load_engine
from surefoot.manifest import Manifest

Make = Callable[..., Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        found = engines_here.here() or [pytest.param("", marks=pytest.mark.skip(reason="no engine is installed"))]
        metafunc.parametrize("engine", found, scope="module")


@pytest.fixture
def make_env(engine: str) -> Iterator[Make]:
    """Builds environments on the CPU that are closed after the test: Isaac Lab has one batch at a time."""
    built: list[Any] = []

    def make(manifest: Manifest, **options: Any) -> Any:
        built.append(load_engine(engine).make_env(manifest, device="cpu", **options))
        return built[-1]

    yield make
    for env in built:
        env.close()
