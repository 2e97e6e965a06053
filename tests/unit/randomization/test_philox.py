"""Philox4x32-10: the published vectors, and an independent calculation with Python's integers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.randomization.philox import Philox, unit_floats

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]
ONES = 0xFFFFFFFF
# Counter, key, output. Source: Random123 1.14, tests/kat_vectors, lines "philox4x32 10".
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (  # the first digits of pi
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def run(counter: tuple[int, ...], key: tuple[int, int], device: str = "cpu") -> tuple[int, ...]:
    c0, c1, c2, c3 = (torch.tensor([[word]], device=device) for word in counter)
    return tuple(int(word) for word in Philox(key, device)((c0, c1, c2, c3)))


def reference(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """The paper's description, in integers of any length."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 % 2**32, (p0 >> 32) ^ c3 ^ k1, p0 % 2**32
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...], device: str) -> None:
    assert run(counter, key, device) == expected


WORD = st.integers(0, ONES)


@given(st.tuples(WORD, WORD, WORD, WORD), st.tuples(WORD, WORD))
def test_any_counter_and_key_agree_with_integers_of_any_length(counter: tuple[int, ...], key: tuple[int, int]) -> None:
    assert run(counter, key) == reference(counter, key)


def test_counters_broadcast_and_are_left_alone() -> None:
    env, block = torch.arange(3).unsqueeze(1), torch.arange(2).unsqueeze(0)
    words = Philox((1, 2), "cpu")((env, torch.tensor([[7]]), torch.tensor([[9]]), block))
    for i in range(3):
        for j in range(2):
            assert tuple(int(word[i, j]) for word in words) == reference((i, 7, 9, j), (1, 2))
    assert env.flatten().tolist() == [0, 1, 2]
    assert block.flatten().tolist() == [0, 1]


def test_floats_are_the_upper_24_bits_and_never_one() -> None:
    zero, small, half, most = (torch.tensor([[word]]) for word in (0, 0x1FF, 0x80000000, ONES))
    floats = unit_floats((zero, small, half, most))
    assert floats.dtype == torch.float32
    assert floats.tolist() == [[0.0, 2.0**-24, 0.5, 1.0 - 2.0**-24]]
