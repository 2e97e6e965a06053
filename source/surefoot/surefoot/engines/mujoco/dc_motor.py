"""DC motors out of MuJoCo's own actuators: each physics step has its own torque, whoever calls it, in C and in Warp.

With stall torque S, no-load speed w and effort limit E, what the torque-speed curve leaves of a torque t at speed v is

    clip(clip(t, -S - S v / w, S - S v / w), -E, E) = clip(clip(t + S v / w, -S, S) - S v / w, -E, E)

The inner clip is a position actuator's `forcerange`, with S / w taken off its damping; - S v / w is a second actuator
that has nothing but damping, the back-EMF; the outer clip is the joint's `actfrcrange`. Beyond the speed at which the
curve leaves the effort limits this is -E or E, as `engines.motor_law` has it.
"""

from dataclasses import dataclass
from typing import Any, Literal

import mujoco
from mjlab.actuator.actuator import Actuator, ActuatorCfg, ActuatorCmd
from mjlab.utils.spec import create_position_actuator
from torch import Tensor

from surefoot.manifest.robot import Joint, Robot

BACK_EMF = "_back_emf"
"""End of the second actuator's name."""


def back_emf(joint: Joint) -> float:
    """N m s/rad."""
    return joint.stall_torque / joint.velocity_limit


def integrator(robot: Robot) -> Literal["euler", "implicitfast"]:
    """MuJoCo's `implicitfast` integrates the actuators' damping with the rest; `euler` takes torques as they are."""
    return "euler" if robot.motors == "dc_motor" else "implicitfast"


@dataclass(kw_only=True)
class DcMotorCfg(ActuatorCfg):
    """mjlab's place for the motors of all joints; one group, so that they share a delay."""

    joints: dict[str, Joint]

    def build(self, entity: Any, target_ids: list[int], target_names: list[str]) -> "DcMotor":
        return DcMotor(self, entity, target_ids, target_names)


class DcMotor(Actuator[DcMotorCfg]):
    """Position targets go to the first actuator of each joint; the second one has no input."""

    def edit_spec(self, spec: mujoco.MjSpec, target_names: list[str]) -> None:
        for name in target_names:
            joint = self.cfg.joints[name]
            loop = create_position_actuator(
                spec,
                name,
                stiffness=joint.stiffness,
                damping=joint.damping - back_emf(joint),
                effort_limit=joint.stall_torque,
                armature=joint.armature,
                frictionloss=joint.friction,
                viscous_damping=0.0,
            )
            # Backwards: in a position actuator (gain = -bias[1]) MuJoCo takes a positive bias[2] for a damping ratio.
            loop.gear[0], loop.gainprm[0] = -1.0, -joint.stiffness
            self._mjs_actuators.append(loop)
            brake = spec.add_actuator(name=name + BACK_EMF, target=name)
            brake.trntype, brake.biastype = mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtBias.mjBIAS_AFFINE
            brake.gainprm[0], brake.biasprm[2] = 0.0, -back_emf(joint)
            held = spec.joint(name)
            held.actfrclimited = mujoco.mjtLimited.mjLIMITED_TRUE
            held.actfrcrange = (-joint.effort_limit, joint.effort_limit)

    def compute(self, cmd: ActuatorCmd) -> Tensor:
        return cmd.position_target
