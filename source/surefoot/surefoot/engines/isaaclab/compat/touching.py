"""Which geometries touch the ground now: Newton's own sensors tell it of the last physics step.

A MuJoCo step finds the contacts of the state it begins with. So after the physics collision detection runs once more,
for the state that it has ended with, and again where that was written to. It is a fiftieth of a physics step's work,
because no forces are computed; those stay one physics step old.

Axis letters: N environments, G geometries.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat.newton import manager, solver_geoms
from surefoot.errors import EngineError


class GroundContacts:
    """Contacts of MuJoCo-Warp between some geometries and the ground.

    Args:
        geoms: Names of the geometries.
        ground: Path of the ground's geometry.
    """

    def __init__(self, geoms: Sequence[str], ground: str) -> None:
        paths = solver_geoms()
        names = [path.rpartition("/")[2] for path in paths]
        missing = [name for name in geoms if name not in names]
        if missing or ground not in paths:
            raise EngineError(f"The simulated robot has no geometry {', '.join(missing) or ground}; it has {paths}.")
        self._columns = [names.index(name) for name in geoms]
        self._ground = paths.index(ground)
        self._shape = (int(manager()._solver.mjw_data.nworld), len(paths))
        self._touching: Tensor | None = None

    def forget(self) -> None:
        """The state has changed."""
        self._touching = None

    def read(self) -> Tensor:
        """Whether each geometry touches the ground. Shape (N, G), bool."""
        if self._touching is None:
            self._touching = self._find()[:, self._columns]
        return self._touching

    def _find(self) -> Tensor:
        import mujoco_warp
        import warp

        newton: Any = manager()
        solver = newton._solver
        model, data = solver.mjw_model, solver.mjw_data
        with warp.ScopedDevice(solver.model.device):
            solver._update_mjc_data(data, solver.model, newton.get_state_0())
            mujoco_warp.kinematics(model, data)
            mujoco_warp.collision(model, data)
        contact = data.contact
        geom, world, dist = (warp.to_torch(field) for field in (contact.geom, contact.worldid, contact.dist))
        geom, world = geom.view(len(world), -1)[:, :2].long(), world.long()
        used = torch.arange(len(world), device=world.device) < warp.to_torch(data.nacon)
        touching = used & (dist < 0) & (geom == self._ground).any(dim=1)
        other = torch.where(geom[:, 0] == self._ground, geom[:, 1], geom[:, 0])
        index = torch.where(touching, world * self._shape[1] + other, 0)
        found = torch.zeros(self._shape[0] * self._shape[1], dtype=torch.int32, device=world.device)
        return found.scatter_add_(0, index, touching.int()).view(self._shape) > 0
