"""Which feet stand as a physics step begins, on every engine."""

from typing import cast

import torch
from torch import Tensor

from surefoot.engines.base import EngineEnv


def step_and_touching(env: EngineEnv) -> Tensor:
    """A physics step, and whether each foot touched the ground as it began. Shape (num_envs, num_feet), bool.

    Flags of the present state are read before the step, after derived quantities follow from what was written; flags
    of the last physics step after it.
    """
    state = env.robot_state
    if env.contact_of_present_state:
        env.refresh(torch.arange(env.num_envs, device=env.device))
    else:
        env.physics_step()
    state.invalidate()
    touching = cast("Tensor", state.read("foot_in_contact")).clone()
    if env.contact_of_present_state:
        env.physics_step()
    return touching
