"""`render` of an environment batch: environment 0, drawn from its state."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surefoot.engines.drawing.drawer import Drawer
from surefoot.errors import EngineError
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.robot_state import RobotState
from surefoot.terrain.ground import Ground


class Pictures:
    """The part of an environment that draws; a mixin in front of a simulator's environment."""

    manifest: Manifest
    robot_state: RobotState
    ground: Ground | None
    drawer: Drawer | None = None

    def draw_at(self, size: tuple[int, int] | None) -> None:
        """From now on `render` gives frames of a width and height, px; None: none.

        Raises:
            EngineError: The robot has no MJCF.
        """
        layout = self.ground.layout if self.ground is not None else None
        self.drawer = Drawer(self.manifest.robot, size, layout) if size is not None else None

    def drawn_poses(self) -> tuple[NDArray[np.float32], ...]:
        """See `EngineEnv.drawn_poses`."""
        state = self.robot_state
        values = (state.raw_base_pos_w(), state.raw_base_quat_w(), state.raw_joint_pos())
        return tuple(value.cpu().numpy() for value in values)

    def render(self, *_: Any) -> NDArray[np.uint8]:
        """See `EngineEnv.render`."""
        if self.drawer is None:
            raise EngineError("The environment draws nothing: expected render=(width, height) when it was made.")
        return self.drawer.frame(*(value[0] for value in self.drawn_poses()))

    def close(self) -> None:
        """Free what the pictures and the simulator hold."""
        if self.drawer is not None:
            self.drawer.close()
        super().close()  # pyright: ignore[reportAttributeAccessIssue]
