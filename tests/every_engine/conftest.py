"""Tests of this folder run once for each engine that is here; see `engines_here`."""

import pytest

import engines_here


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    engines_here.parametrize(metafunc)
