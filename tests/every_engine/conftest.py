"""Tests of this folder run once for each engine that is here; see `engines_here`."""

from collections.abc import Iterator

import pytest

import engines_here


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    engines_here.parametrize(metafunc)


@pytest.fixture
def make_env(engine: str) -> Iterator[engines_here.Builder]:
    builder = engines_here.Builder(engine)
    yield builder
    builder.close()
