"""`SimulationView` of `omni.physics.tensors`, and its views of single bodies. Axis letter: B bodies of a view."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from isaaclab_double.articulation_view import ArticulationView
from isaaclab_double.batch import Batch
from isaaclab_double.conventions import link_transforms, matching, tensor


class SimulationView:
    """All physics of a stage."""

    def __init__(self, stage: Any, dt: float) -> None:
        self.batch = Batch(stage, dt)
        self._backend = SimpleNamespace(initialize_kinematic_bodies=lambda: None)

    def create_articulation_view(self, pattern: str) -> ArticulationView:
        return ArticulationView(self.batch, pattern)

    def create_rigid_body_view(self, pattern: str) -> "RigidBodyView":
        return RigidBodyView(self.batch, pattern)

    def create_rigid_contact_view(
        self, pattern: str, filter_patterns: Sequence[str] = (), max_contact_data_count: int = 0
    ) -> "RigidContactView":
        if filter_patterns:
            raise NotImplementedError("contact between chosen pairs")
        return RigidContactView(self.batch, pattern)

    def get_gravity(self) -> tuple[float, float, float]:
        return self.batch.gravity

    def set_gravity(self, gravity: Sequence[float]) -> None:
        self.batch.gravity = (gravity[0], gravity[1], gravity[2])
        for model in self.batch.models:
            model.opt.gravity[:] = gravity

    def update_articulations_kinematic(self) -> None:
        self.batch.update_kinematics()

    def step(self) -> None:
        self.batch.step()


class RigidBodyView:
    """Chosen bodies of every robot, robot by robot, in the order of the links."""

    def __init__(self, batch: Batch, pattern: str) -> None:
        paths = [path for robot in batch.link_paths for path in robot]
        self._batch, self._rows = batch, matching(pattern, paths)
        self._backend, self.count = batch, len(self._rows)
        self.prim_paths = [paths[row] for row in self._rows]

    @property
    def max_shapes(self) -> int:
        return max(self._batch.num_geoms[row % len(self._batch.links)] for row in self._rows)

    def get_transforms(self) -> Tensor:
        """Shape (B, 7)."""
        return tensor(link_transforms(self._batch).reshape(-1, 7)[self._rows])

    def get_velocities(self) -> Tensor:
        """Shape (B, 6)."""
        return tensor(self._batch.link_velocity.reshape(-1, 6)[self._rows])


class RigidContactView(RigidBodyView):
    """Contact of chosen bodies with anything."""

    filter_count = 0

    def get_net_contact_forces(self, dt: float) -> Tensor:
        """N, world, normal parts only. Shape (B, 3)."""
        return tensor(self._batch.contact_forces().reshape(-1, 3)[self._rows])
