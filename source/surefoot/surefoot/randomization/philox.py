"""Philox4x32-10: a counter-based generator, in integer tensor operations that give the same bits on every device.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
A word is an int64 tensor that holds a number in [0, 2**32).
"""

import torch
from torch import Tensor

Words = tuple[Tensor, Tensor, Tensor, Tensor]

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


class Philox:
    """The bijection of 128-bit counters that belongs to one 64-bit key.

    Args:
        key: Two 32-bit words, the least significant first.
        device: Of the counters that will be passed.
    """

    def __init__(self, key: tuple[int, int], device: str) -> None:
        # Tensors without dimension cost less than Python numbers in a chain of 140 small operations; `full` writes them
        # without a copy from the host, so that a stream's first draw does not wait for the device.
        def constant(value: int) -> Tensor:
            return torch.full((), value, dtype=torch.int64, device=device)

        self._multipliers = (constant(_MULTIPLIERS[0]), constant(_MULTIPLIERS[1]))
        self._mask, self._half = constant(_MASK), constant(32)
        self._round_keys = [
            (constant((key[0] + turn * _WEYL[0]) & _MASK), constant((key[1] + turn * _WEYL[1]) & _MASK))
            for turn in range(_ROUNDS)
        ]

    def __call__(self, counter: Words) -> Words:
        """Four random words for each counter; the counter's words may have different shapes that broadcast.

        Products wrap modulo 2**64; the shift copies their sign into the upper half, which the mask removes. Words 1 and
        3 keep their upper half until the end: they are only combined bit by bit, before a mask.
        """
        c0, c1, c2, c3 = counter
        mask, half = self._mask, self._half
        for k0, k1 in self._round_keys:
            p0, p1 = c0 * self._multipliers[0], c2 * self._multipliers[1]
            c0 = ((p1 >> half) ^ c1).bitwise_xor_(k0).bitwise_and_(mask)
            c2 = ((p0 >> half) ^ c3).bitwise_xor_(k1).bitwise_and_(mask)
            c1, c3 = p1, p0
        return c0, c1.bitwise_and_(mask), c2, c3.bitwise_and_(mask)


def unit_floats(words: Words) -> Tensor:
    """Uniform float32 in [0, 1), multiples of 2**-24, from the upper 24 bits of each word.

    Args:
        words: Four tensors of shape (n, blocks).

    Returns:
        The numbers of a block side by side. Shape (n, 4 * blocks).
    """
    stacked = torch.stack(words, dim=-1).bitwise_right_shift_(8)
    return stacked.flatten(start_dim=1).to(torch.float32).mul_(2.0**-24)
