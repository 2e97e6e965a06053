"""Numbers of joints that a factor may change: where each version and backend of Isaac Lab keeps them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JointParameter:
    """One number of every joint."""

    data: str
    """Name in the articulation's data."""
    writer: str
    """The articulation's method; 3.0 appends `_index`."""
    argument: str
    """Of that method."""
    physx: str
    """Property of Isaac Sim's view, named as in `get_...`."""
    ovphysx: str
    """OvPhysX's name of that property."""
    columns: tuple[int, ...] = ()
    """Where the property has several numbers of a joint: those that are all this one."""
    twin: str = ""
    """Another argument that gets the same value on PhysX."""
    mujoco: str = ""
    """Field of the MuJoCo model behind Newton, by degree of freedom; none for what actuators have."""


JOINT_PARAMETERS = {
    "stiffness": JointParameter(
        "joint_stiffness", "write_joint_stiffness_to_sim", "stiffness",
        "dof_stiffnesses", "articulation_dof_stiffness",
    ),
    "damping": JointParameter(
        "joint_damping", "write_joint_damping_to_sim", "damping", "dof_dampings", "articulation_dof_damping"
    ),
    "effort_limit": JointParameter(
        "joint_effort_limits", "write_joint_effort_limit_to_sim", "limits",
        "dof_max_forces", "articulation_dof_max_force",
    ),
    "armature": JointParameter(
        "joint_armature", "write_joint_armature_to_sim", "armature",
        "dof_armatures", "articulation_dof_armature", mujoco="dof_armature",
    ),
    "joint_friction": JointParameter(
        "joint_friction_coeff", "write_joint_friction_coefficient_to_sim", "joint_friction_coeff",
        "dof_friction_properties", "articulation_dof_friction_properties",
        columns=(0, 1),  # at rest and in motion; the manifest has one
        twin="joint_dynamic_friction_coeff", mujoco="dof_frictionloss",
    ),
}  # fmt: skip
