"""Newton's solver behind Isaac Lab 3.0: what its views do not show."""

from typing import Any


def manager() -> Any:
    """Isaac Lab's class that holds Newton's model, state and solver."""
    from isaaclab_newton.physics import NewtonManager

    return NewtonManager


def solver_geoms() -> list[str]:
    """Path of each geometry of the solver in the first environment."""
    newton = manager()
    labels = newton.get_model().shape_label
    return [labels[index] for index in newton._solver.mjc_geom_to_newton_shape.numpy()[0]]
