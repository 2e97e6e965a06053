"""What a user has added in Python to the configuration of a task: found, hashed, and kept when the rest is rebuilt.

A manifest names functions of this project. What Isaac Lab's users add beside (a reward with a function of their own,
an event, a sensor) cannot stand in it, so it stays in Isaac Lab's configuration, and the manifest records that it is
there.
"""

import hashlib
import inspect
import json
from collections.abc import Iterator
from typing import Any

from surefoot.errors import EngineError
from surefoot.manifest import Manifest
from surefoot.manifest.extension import Extension

Addition = tuple[tuple[str, ...], Any]
"""Path from the configuration on, and what stands there."""

_OPEN = ("scene", "rewards", "terminations", "events", "curriculum", "commands")
"""Sections that take more than the manifest says."""


class Terms(dict[str, Any]):
    """Terms by name, as keys and as attributes: Isaac Lab's users write `cfg.rewards.torques.weight`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no term {name!r}; there are {', '.join(self) or 'none'}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(f"no term {name!r}")
        del self[name]


def additions(built: Any, cfg: Any) -> list[Addition]:
    """What `cfg` holds beside everything that `built`, made from the manifest alone, holds too.

    Raises:
        EngineError: An action was added: the policy's actions are the manifest's.
    """
    found = [addition for section in _OPEN for addition in _new(built, cfg, section)]
    found += _new(built, cfg, "observations")
    for group in _entries(built.observations):
        if group in (groups := _entries(cfg.observations)):
            found += [(("observations", *path), value) for path, value in _new(built.observations, groups, group)]
    if extra := _new(built, cfg, "actions"):
        raise EngineError(
            f"env.{'.'.join(extra[0][0])}: actions are joint position targets of the manifest and cannot be added to."
        )
    return found


def restore(cfg: Any, added: list[Addition]) -> None:
    """Put additions back into a configuration that was built anew."""
    for (*parents, name), value in added:
        here = cfg
        for parent in parents:
            here = _entries(here)[parent]
        if isinstance(here, dict):
            here[name] = value
        else:
            setattr(here, name, value)


def describe(added: list[Addition], manifest: Manifest) -> Extension | None:
    """The record that goes into the manifest; None where nothing was added.

    Raises:
        EngineError: An observation was added, and the networks are built for the manifest's alone.
    """
    if not added:
        return None
    paths = [".".join(path) for path, _ in added]
    observed = [path for path in paths if path.startswith("observations.")]
    if observed and manifest.ppo.symmetry != "none":
        raise EngineError(
            f"env.{observed[0]}: ppo.symmetry={manifest.ppo.symmetry} mirrors the manifest's observations and knows no "
            "others. Add env.manifest.ppo.symmetry=none, and an rsl_rl_cfg_entry_point for it."
        )
    plain = {path: _plain(value) for path, (_, value) in zip(paths, added, strict=True)}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    time_outs = [path[1] for path, value in added if path[0] == "terminations" and getattr(value, "time_out", False)]
    return Extension(added=tuple(paths), time_outs=tuple(time_outs), sha256=hashlib.sha256(text.encode()).hexdigest())


def _new(built: Any, cfg: Any, section: str) -> list[Addition]:
    before, now = _entries(_entries(built)[section]), _entries(_entries(cfg)[section])
    return [((section, name), value) for name, value in now.items() if name not in before and value is not None]


def _entries(holder: Any) -> dict[str, Any]:
    """What stands in a mapping or a configuration object, by name."""
    return holder if isinstance(holder, dict) else vars(holder)


def _plain(value: Any) -> Any:
    """Values for a hash that is the same in another process: no addresses, functions by name and source."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if callable(value):
        named = value if hasattr(value, "__qualname__") else type(value)
        return [f"{named.__module__}:{named.__qualname__}", _source(named)]
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__dict__"):
        return {"": type(value).__qualname__} | dict(_attributes(value))
    return str(value) if isinstance(value, slice) else type(value).__qualname__


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    for key, item in vars(value).items():
        if not key.startswith("__"):
            yield key, _plain(item)


def _source(named: Any) -> str:
    """SHA-256 of the source of a function or class; of what it calls nothing is known."""
    try:
        return hashlib.sha256(inspect.getsource(named).encode()).hexdigest()
    except (OSError, TypeError):
        return "no source"
