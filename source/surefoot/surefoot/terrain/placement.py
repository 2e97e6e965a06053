"""Which column of tiles each environment is on: stratified, so that neither classes nor buckets are left to chance.

Axis letters: N environments, B combinations of the other bucketed factors' intervals, C columns.

Environment n is in combination b = n mod B and in round r = n // B, and stands at place (r + shift[b]) mod C of an
order in which each class's columns are equally spaced. The shifts are spread over 0 to C - 1 and handed to the
combinations by a keyed draw. So any B * C environments in a row have each pair once, fewer have each column equally
often up to one after every round, and neither the number of environments nor of processes changes a place.
"""

import torch
from torch import Tensor

from surefoot.manifest.terrain import TerrainGenerator
from surefoot.randomization.streams import Streams


def stratified_columns(
    generator: TerrainGenerator, combinations: int, streams: Streams, first_env: int = 0, group: int | None = None
) -> Tensor:
    """Column of each environment.

    Args:
        generator: Classes and columns.
        combinations: B.
        streams: Keyed random numbers.
        first_env: Number of this process's first environment among those of all processes.
        group: For evaluations: environments come in groups of so many neighbours. Columns are equally frequent within
            each group, up to one, and drawn independently from group to group.

    Returns:
        Shape (N,), int64.
    """
    device, columns = streams.device, generator.columns
    env = torch.arange(first_env, first_env + streams.num_envs, device=device)
    if group is None:
        # A draw for each combination, not for each environment: their number must not matter.
        draws = Streams(streams.seed, combinations, device).uniform("terrain/shift", None, 1, per_episode=False)
        # Ranks, so that the shifts are spread evenly and only their order is random.
        shift = draws.squeeze(1).argsort().argsort() * columns // combinations
        place = (env // combinations + shift[env % combinations]) % columns
    else:
        head = env - env % group
        # In double precision, because `order` is added to environment numbers below and decides among neighbours.
        order, offset = streams.uniform("terrain/groups", None, 2, per_episode=False).double().unbind(dim=1)
        # A draw is below 1, so groups stay in their order; without where the group begins, the rank is within it.
        rank = (head + order).argsort().argsort() - (head - first_env)
        place = (rank + (offset[head - first_env] * columns).long()) % columns
    return torch.tensor(_spread(generator), device=device)[place]


def _spread(generator: TerrainGenerator) -> list[int]:
    """All columns, each class's equally spaced."""
    places: list[tuple[float, int]] = []
    for count in generator.class_columns.values():
        places += [((k + 0.5) / count, len(places) + k) for k in range(count)]
    return [column for _, column in sorted(places)]
