"""Following an environment that is not ours from outside: its `step` and `close` are shadowed on the instance."""

from collections.abc import Callable, Mapping
from typing import Any


class EnvHooks:
    """Scalars for whoever logs `extras["log"]`, and a last word before the environment is closed.

    RSL-RL averages what `extras["log"]` holds over the steps of an iteration, and Isaac Lab leaves the same dictionary
    there until the next reset. So scalars are put into a copy, for one step, and taken out again before the next.

    Args:
        env: The environment itself, without wrappers: they look up `step` and `close` on it at every call.
        after_step: Called with what a step returned; gives the scalars to log, most often none.
        before_close: Called once, when somebody closes the environment.
    """

    def __init__(
        self, env: Any, after_step: Callable[[Any], Mapping[str, float]], before_close: Callable[[], None]
    ) -> None:
        self._env = env
        self._after_step, self._before_close = after_step, before_close
        self._own_step, self._own_close = env.step, getattr(env, "close", None)
        self._lent: tuple[dict[str, Any], dict[str, Any], Any] | None = None
        env.step = self._step
        if self._own_close is not None:
            env.close = self._close

    def release(self) -> None:
        """Leave the environment as it was; safe to call again."""
        self._take_back()
        for name, mine in (("step", self._step), ("close", self._close)):
            if vars(self._env).get(name) == mine:
                delattr(self._env, name)

    def _step(self, *args: Any, **kwargs: Any) -> Any:
        self._take_back()
        result = self._own_step(*args, **kwargs)
        scalars = self._after_step(result)
        if scalars:
            extras: dict[str, Any] = result[-1]
            before = extras.get("log")
            extras["log"] = {**(before or {}), **scalars}
            self._lent = (extras, extras["log"], before)
        return result

    def _take_back(self) -> None:
        if self._lent is None:
            return
        (extras, ours, before), self._lent = self._lent, None
        if extras.get("log") is not ours:
            return  # the environment has begun a new one
        if before is None:
            del extras["log"]
        else:
            extras["log"] = before

    def _close(self, *args: Any, **kwargs: Any) -> Any:
        self._before_close()
        close = self._own_close
        self.release()
        assert close is not None
        return close(*args, **kwargs)
