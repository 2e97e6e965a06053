"""Actor and critic that are mirror-symmetric by construction.

With M the left-right mirror of observations and N that of actions, the actor obeys pi(M o) = N pi(o) and the critic
V(M o) = V(o), exactly and from the first update on, at the cost of an ordinary network of the same width: every hidden
layer consists of two halves (h, h') that the mirror swaps, with shared weights h_out = act(A h + B h' + b).
Source: group-equivariant layers for the two-element group (Cohen and Welling 2016, "Group Equivariant Convolutional
Networks"); for legged robots Mittal et al. 2024, "Symmetry Considerations for Learning Task Symmetric Robot Policies".
"""

from itertools import pairwise
from typing import Any, cast

import torch
from rsl_rl.models import MLPModel
from rsl_rl.modules import EmpiricalNormalization
from rsl_rl.utils.utils import resolve_nn_activation
from tensordict import TensorDict
from torch import Tensor, nn

from surefoot.rl.normalization import update_normalizer


class EquivariantMLP(nn.Module):
    """Two mirrored streams with shared weights.

    A layer h_out = act(A h + B h' + b) and its mirror image are computed from the sum and the difference of the
    streams, P (h + h') +- Q (h - h') with P = (A + B) / 2 and Q = (A - B) / 2: half the products of the dense layer.

    Args:
        obs_index, obs_sign: M: mirrored = obs[:, index] * sign.
        out_index, out_sign: N; both empty for an invariant output.
        hidden_dims: Width of each layer, both streams together; even.
    """

    def __init__(
        self,
        obs_index: list[int],
        obs_sign: list[float],
        out_index: list[int],
        out_sign: list[float],
        output_dim: int,
        hidden_dims: list[int],
        activation: str,
    ) -> None:
        super().__init__()
        if any(dim % 2 for dim in hidden_dims):
            raise ValueError(f"ppo.symmetry=equivariant needs even hidden_dims, got {hidden_dims}.")
        self.register_buffer("obs_index", torch.tensor(obs_index), persistent=False)
        self.register_buffer("obs_sign", torch.tensor(obs_sign), persistent=False)
        self.register_buffer("out_index", torch.tensor(out_index or list(range(output_dim))), persistent=False)
        self.register_buffer("out_sign", torch.tensor(out_sign or [1.0] * output_dim), persistent=False)
        self.invariant = not out_index
        halves = [dim // 2 for dim in hidden_dims]
        self.first = nn.Linear(len(obs_index), halves[0])
        self.even = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(halves))
        self.odd = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(halves))
        self.even_out = nn.Linear(halves[-1], output_dim)
        self.odd_out = nn.Linear(halves[-1], output_dim, bias=False)
        with torch.no_grad():  # so that A and B start as those of a dense layer with as many inputs
            for layer in (*self.even, *self.odd, self.even_out, self.odd_out):
                layer.weight.mul_(0.5)  # pyright: ignore[reportCallIssue]
        self.activation: nn.Module = resolve_nn_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (..., num_obs) to (..., output_dim)."""
        one = self.activation(self.first(x))
        mirrored = x.index_select(-1, self.obs_index) * self.obs_sign  # pyright: ignore
        other = self.activation(self.first(mirrored))
        for even, odd in zip(self.even, self.odd):  # noqa: B905 (TorchScript knows no strict=)
            common, difference = even(one + other), odd(one - other)
            one, other = self.activation(common + difference), self.activation(common - difference)
        common = self.even_out(one + other)
        if self.invariant:
            return common
        difference = self.odd_out(one - other)
        return 0.5 * (common + difference + (common - difference).index_select(-1, self.out_index) * self.out_sign)


class SymmetricMLPModel(MLPModel):
    """RSL-RL's MLPModel with an equivariant network and a normaliser that sees every observation mirrored too."""

    def __init__(
        self,
        obs: TensorDict,
        obs_groups: dict[str, list[str]],
        obs_set: str,
        output_dim: int,
        mirror: dict[str, Any],
        hidden_dims: tuple[int, ...] | list[int] = (256, 256, 256),
        activation: str = "elu",
        **kwargs: Any,
    ) -> None:
        super().__init__(obs, obs_groups, obs_set, output_dim, hidden_dims, activation, **kwargs)
        self.mlp = EquivariantMLP(**mirror, output_dim=output_dim, hidden_dims=list(hidden_dims), activation=activation)

    @property
    def mirror(self) -> tuple[Tensor, Tensor]:
        """Index and sign of the mirrored observation."""
        return cast("Tensor", self.mlp.obs_index), cast("Tensor", self.mlp.obs_sign)

    def update_normalization(self, obs: TensorDict, valid: Tensor | None = None) -> None:
        """Moments of the observations and their mirror images together, without building the latter."""
        if self.obs_normalization and self.training:
            x = torch.cat([obs[group] for group in self.obs_groups], dim=-1)
            update_normalizer(cast("EmpiricalNormalization", self.obs_normalizer), x, valid, self.mirror)
