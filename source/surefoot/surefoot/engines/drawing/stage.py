"""A scene with one robot of a task, and the robot's pose in it."""

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from surefoot.engines.drawing.ground import GroundWindow
from surefoot.engines.drawing.looks import empty_scene
from surefoot.engines.mjcf import check_names, robot_spec
from surefoot.errors import EngineError
from surefoot.manifest.robot import Robot
from surefoot.terrain.layout import TerrainLayout


def check_drawable(robot: Robot) -> None:
    """Refuse a robot that has no MJCF to be drawn from.

    Raises:
        EngineError: Names the key.
    """
    if robot.assets.mujoco is None:
        raise EngineError(
            f"robot.assets.mujoco: pictures are drawn from a robot's MJCF, {robot.name!r} has none. Isaac Lab's own "
            "play.py shows it by the task's id (docs/isaaclab.md)."
        )


class Stage:
    """MuJoCo's model of a robot with its meshes, over a plane or a layout's ground; nothing is simulated.

    Args:
        robot: Whose MJCF is drawn.
        layout: The ground; None for a plane.

    Attributes:
        model: For a renderer or a viewer.
        data: Positions of bodies and geometries after `place`.
    """

    def __init__(self, robot: Robot, layout: TerrainLayout | None) -> None:
        check_drawable(robot)
        scene, spec = empty_scene(), robot_spec(str(robot.assets.mujoco))
        check_names(spec, robot)
        self._window = GroundWindow(scene, layout) if layout is not None else None
        scene.attach(spec, prefix="robot/", frame=scene.worldbody.add_frame())
        self.model: mujoco.MjModel = scene.compile()
        self.data = mujoco.MjData(self.model)
        joints = [self.model.joint(f"robot/{name}") for name in robot.joint_names]
        self._columns = np.array([int(joint.qposadr[0]) for joint in joints])
        self.base: int = self.model.body(f"robot/{robot.base_body}").id
        root = self.model.joint(int(self.model.body_jntadr[self.base]))
        self._root = int(root.qposadr[0])

    def place(self, pos_w: ArrayLike, quat_w: ArrayLike, joint_pos: ArrayLike, follow: bool = True) -> bool:
        """Put the robot into a pose.

        Args:
            pos_w: Base position, m, world. Shape (3,).
            quat_w: Base orientation (w, x, y, z), base to world. Shape (4,).
            joint_pos: rad, canonical joint order. Shape (num_joints,).
            follow: Rough ground around this pose is to be drawn.

        Returns:
            Whether the ground in the model was changed.
        """
        qpos = self.data.qpos
        qpos[self._root : self._root + 3] = pos_w
        qpos[self._root + 3 : self._root + 7] = quat_w
        qpos[self._columns] = joint_pos
        window = self._window if follow else None
        moved = window is not None and window.follow(self.model, *qpos[self._root : self._root + 2])
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        return moved
