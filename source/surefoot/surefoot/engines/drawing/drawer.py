"""Frames without a screen."""

import importlib

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from surefoot.engines.drawing.stage import Stage
from surefoot.manifest.robot import Robot
from surefoot.terrain.layout import TerrainLayout

DISTANCE, AZIMUTH, ELEVATION = 1.6, 120.0, -15.0
"""Camera: m from the base that it follows, degrees about the vertical, degrees (negative looks down)."""


class Drawer:
    """Draws one robot, and nothing of what an engine holds beside its pose.

    `surefoot.engines.opengl.choose_opengl` comes first.

    Args:
        robot: Whose MJCF is drawn.
        size: Width and height, px.
        layout: The ground; None for a plane.

    Raises:
        EngineError: The robot has no MJCF.
    """

    def __init__(self, robot: Robot, size: tuple[int, int], layout: TerrainLayout | None = None) -> None:
        from mujoco.rendering.classic import gl_context

        self.stage = Stage(robot, layout)
        self._size = size
        importlib.reload(gl_context)  # it reads MUJOCO_GL when it is imported, which may have been before the choice
        self.stage.model.vis.global_.offwidth, self.stage.model.vis.global_.offheight = size
        self._renderer: mujoco.Renderer | None = None
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
        self._camera.trackbodyid = self.stage.base
        self._camera.distance, self._camera.azimuth, self._camera.elevation = DISTANCE, AZIMUTH, ELEVATION

    def frame(self, pos_w: ArrayLike, quat_w: ArrayLike, joint_pos: ArrayLike) -> NDArray[np.uint8]:
        """A picture of the robot in a pose; arguments as in `Stage.place`.

        Returns:
            RGB, shape (height, width, 3).
        """
        if self.stage.place(pos_w, quat_w, joint_pos):
            self.close()  # a renderer keeps the ground that it was made with
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self.stage.model, width=self._size[0], height=self._size[1])
        self._renderer.update_scene(self.stage.data, camera=self._camera)
        return self._renderer.render()

    def close(self) -> None:
        """Free the OpenGL context; another frame makes a new one."""
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = None
