"""A body that carries a payload: mass, centre of mass, principal moments and axes."""

import torch
from mjlab.utils.lab_api.math import matrix_from_quat, quat_from_matrix
from torch import Tensor


def with_payload(
    mass: float, com: Tensor, moments: Tensor, quat: Tensor, added: Tensor, place: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Join a body and a payload of the same shape: the payload's own inertia is the body's times the ratio of masses.

    With the reduced mass mu = mass * added / (mass + added) and the distance d between the two centres of mass, the
    inertia about the common centre is I (1 + added / mass) + mu (d^2 E - d d^T), the parallel-axis theorem for both.

    Args:
        mass: kg, of the body.
        com: m, its centre of mass, body frame. Shape (3,).
        moments: kg m^2, its principal moments. Shape (3,).
        quat: Orientation of its principal axes in the body frame, w x y z. Shape (4,).
        added: kg, payload; negative takes mass away. Shape (n,).
        place: m, centre of mass of the payload, body frame; None: the body's own. Shape (n, 3).

    Returns:
        Mass (n,), principal moments (n, 3), centre of mass (n, 3), orientation of the principal axes (n, 4).
    """
    total = mass + added
    scaled = moments * (total / mass).unsqueeze(1)
    if place is None:
        return total, scaled, com.expand(len(added), 3), quat.expand(len(added), 4)
    axes = matrix_from_quat(quat)
    d = place - com
    reduced = (mass * added / total)[:, None, None]
    spread = d.square().sum(dim=1)[:, None, None] * torch.eye(3, dtype=d.dtype, device=d.device)
    inertia = axes @ torch.diag_embed(scaled) @ axes.T + reduced * (spread - d.unsqueeze(2) * d.unsqueeze(1))
    principal, rotation = torch.linalg.eigh(inertia)
    handed = torch.linalg.det(rotation).sign()
    rotation = torch.cat((rotation[:, :, :2], rotation[:, :, 2:] * handed[:, None, None]), dim=2)
    centre = com + d * (added / total).unsqueeze(1)
    return total, principal, centre, quat_from_matrix(rotation)
