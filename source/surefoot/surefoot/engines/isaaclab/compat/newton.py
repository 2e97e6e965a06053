"""Newton's solver behind Isaac Lab 3.0: what its views do not show."""

from typing import Any

from torch import Tensor

from surefoot.manifest.manifest import Manifest


def manager() -> Any:
    """Isaac Lab's class that holds Newton's model, state and solver."""
    from isaaclab_newton.physics import NewtonManager

    return NewtonManager


def model_builder() -> Any:
    """What Newton's model is built from, until the simulation has started."""
    from isaaclab.sim import SimulationContext
    from isaaclab_newton.physics import NewtonBuilderCfg

    simulation: Any = SimulationContext.instance()
    return simulation.get_or_create_backend(NewtonBuilderCfg(physics_cfg=simulation.cfg.physics))


HEIGHT_FIELD_BASE = 1.0
"""m of ground under the lowest point of a height field; Newton gives it 0.1 mm, through which a foot would fall."""

FIRM = 0.01
"""s, time constant of contacts with which feet stay above a height field."""


def thicken_height_field() -> None:
    """Give the one height field of the solver a base; after the solver was made."""
    import warp

    solver = manager()._solver
    solver.mj_model.hfield_size[:, 3] = HEIGHT_FIELD_BASE
    warp.to_torch(solver.mjw_model.hfield_size)[:, 3] = HEIGHT_FIELD_BASE


def soft_contacts(manifest: Manifest) -> str:
    """What is wrong with a contact model on rough ground, and the overrides that help; empty where nothing is.

    A foot whose centre sinks below a height field is thrown out sideways; measured in docs/isaaclab.md.
    """
    chosen, simulation = manifest.simulation.contact_model, manifest.simulation
    time, ratio = manifest.robot.contact_models[chosen].solref
    if time <= FIRM:
        return ""
    step = min(simulation.timestep, FIRM / 2)
    return (
        f"robot.contact_models.{chosen}.solref: contacts that give way at {time:g} s let feet sink into rough ground, "
        f"and Newton's solver throws them out: falls and faults may be its own, not the policy's. Add: "
        f"simulation.timestep={step:g} simulation.decimation={round(simulation.step_dt / step)} "
        f"robot.contact_models.{chosen}.solref=[{FIRM:g},{ratio:g}]"
    )


def base_acceleration() -> tuple[Tensor, Tensor]:
    """By a forward pass of MuJoCo-Warp for the present state and targets; the simulation is not moved.

    Returns:
        Of the base's origin, m/s^2, world; angular, rad/s^2, base frame. Shapes (num_envs, 3).
    """
    import mujoco_warp
    import warp

    newton = manager()
    solver, state = newton._solver, newton.get_state_0()
    data = solver.mjw_data
    with warp.ScopedDevice(solver.model.device):
        solver._apply_mjc_control(solver.model, state, newton.get_control(), data)
        solver._update_mjc_data(data, solver.model, state)
        mujoco_warp.forward(solver.mjw_model, data)
    acceleration = warp.to_torch(data.qacc)[:, :6].clone()
    return acceleration[:, :3], acceleration[:, 3:]


def solver_geoms() -> list[str]:
    """Path of each geometry of the solver in the first environment."""
    newton = manager()
    labels = newton.get_model().shape_label
    return [labels[index] for index in newton._solver.mjc_geom_to_newton_shape.numpy()[0]]
