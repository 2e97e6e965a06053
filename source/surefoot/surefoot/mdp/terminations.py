"""Termination terms: True where the episode ends. Shape (num_envs,)."""

import math
from typing import Annotated

from pydantic import Field
from torch import Tensor

from surefoot.manifest.base import NonNegativeFloat, PositiveFloat


def time_out(episode_step: Tensor, max_episode_steps: int) -> Tensor:
    """The episode has reached its length."""
    return episode_step >= max_episode_steps


def bad_orientation(projected_gravity_b: Tensor, limit_angle: Annotated[float, Field(gt=0, le=math.pi)]) -> Tensor:
    """The base z axis leans more than `limit_angle`, rad, from the vertical."""
    # The cosine falls as the angle grows, which turns the comparison round.
    return -projected_gravity_b[:, 2] < math.cos(limit_angle)


def base_contact(base_in_contact: Tensor) -> Tensor:
    """Trunk or head touch the ground."""
    return base_in_contact


def base_too_low(base_height: Tensor, minimum: PositiveFloat) -> Tensor:
    """The base origin is less than `minimum`, m, over the ground."""
    return base_height < minimum


def out_of_bounds(distance_from_origin: Tensor, max_distance: PositiveFloat) -> Tensor:
    """The robot has left its area: further than `max_distance`, m, from its origin."""
    return distance_from_origin > max_distance


def left_tile(distance_to_tile_edge: Tensor, margin: NonNegativeFloat) -> Tensor:
    """The base is less than `margin`, m, from the edge of its tile, or beyond it."""
    return distance_to_tile_edge < margin
