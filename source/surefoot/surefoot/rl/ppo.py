"""RSL-RL's PPO with a ceiling on the adaptive learning rate."""

from typing import Any

from rsl_rl.algorithms import PPO


class BoundedPPO(PPO):
    """PPO whose adaptive schedule stays at or below `max_learning_rate`.

    RSL-RL fixes the ceiling at 1e-2; with the small networks used on a CPU the schedule reaches it and training
    becomes unstable (docs/performance.md).
    """

    def __init__(self, *args: Any, max_learning_rate: float, **kwargs: Any) -> None:
        self._max_learning_rate = max_learning_rate
        self._learning_rate = 0.0
        super().__init__(*args, **kwargs)

    @property
    def learning_rate(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Current rate; assignments are cut at the ceiling."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = min(value, self._max_learning_rate)
