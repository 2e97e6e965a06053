"""Simulators. Only this package imports one, and only when it is asked for."""

from surefoot.engines.base import ENGINES, EngineEnv, load_engine

__all__ = ["ENGINES", "EngineEnv", "load_engine"]
