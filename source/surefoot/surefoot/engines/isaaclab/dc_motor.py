"""Isaac Lab's DC motor, with a stall torque of its own for each joint and environment."""

from typing import Any

from isaaclab.actuators import DCMotor, DCMotorCfg

from surefoot.engines.isaaclab.compat import configclass
from surefoot.manifest.robot import Joint


class JointDcMotor(DCMotor):
    """`cfg.saturation_effort` by joint. The law is Isaac Lab's, evaluated before each physics step.

    Attributes:
        saturation_effort: N m. Shape (num_envs, num_joints), Isaac Lab's joint order.
    """

    def __init__(self, cfg: Any, *args: Any, **kwargs: Any) -> None:
        # Written factors leave `_vel_at_effort_lim` as it is: the motor's strength scales both torques.
        if not hasattr(DCMotor, "_parse_joint_parameter"):
            super().__init__(cfg, *args, **kwargs)
        else:  # 2.3 takes one stall torque for all joints
            by_joint: dict[str, float] = cfg.saturation_effort
            super().__init__(cfg.replace(saturation_effort=max(by_joint.values())), *args, **kwargs)
            self._saturation_effort = self._parse_joint_parameter(by_joint, None)
            self._vel_at_effort_lim = self.velocity_limit * (1 + self.effort_limit / self._saturation_effort)
        self.saturation_effort = self._saturation_effort


@configclass
class JointDcMotorCfg(DCMotorCfg):
    """Isaac Lab's place for it."""

    class_type: Any = JointDcMotor
    saturation_effort: Any = None


def dc_motor_cfg(joints: tuple[Joint, ...]) -> JointDcMotorCfg:
    """The motors of a robot; the physics has neither gains nor limits of its own."""
    prefix = "actuator_" if "actuator_effort_limit" in DCMotorCfg.__dataclass_fields__ else ""  # 3.0 has renamed them
    limits = {
        f"{prefix}effort_limit": {joint.name: joint.effort_limit for joint in joints},
        f"{prefix}velocity_limit": {joint.name: joint.velocity_limit for joint in joints},
    }
    return JointDcMotorCfg(
        joint_names_expr=[".*"],
        saturation_effort={joint.name: joint.stall_torque for joint in joints},
        stiffness={joint.name: joint.stiffness for joint in joints},
        damping={joint.name: joint.damping for joint in joints},
        **limits,
        armature={joint.name: joint.armature for joint in joints},
        friction={joint.name: joint.friction for joint in joints},
        dynamic_friction={joint.name: joint.friction for joint in joints},
    )
