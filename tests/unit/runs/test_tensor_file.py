"""Tensors of strangers: what comes out is what torch.load gives, or one line, before memory is taken."""

import io
import pickle
import random
import resource
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from surefoot.reading import Refused
from surefoot.runs.checkpoint import to_bytes
from surefoot.runs.tensor_file import read_tensors

WEIGHTS = torch.arange(12.0).reshape(3, 4)
CONTENT: dict[str, Any] = {
    "net": OrderedDict(w=WEIGHTS, turned=WEIGHTS.T, row=WEIGHTS[1], none=torch.zeros(0, 3), scalar=torch.tensor(7)),
    "kinds": [torch.tensor([1, 0]).to(kind) for kind in (torch.bool, torch.int16, torch.float64, torch.bfloat16)],
    "plain": {"iter": 3, "text": "é", 0: (1.5, None, True, -(2**40))},
}


def file_of(tmp_path: Path, content: Any, seal: bool = True) -> Path:
    path = tmp_path / "content.pt"
    if seal:
        path.write_bytes(to_bytes(content))
    else:
        torch.save(content, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("seal", [True, False])
def test_what_comes_out_is_what_torch_gives(tmp_path: Path, seal: bool):
    path = file_of(tmp_path, CONTENT, seal)
    mine, theirs = read_tensors(path), torch.load(path, weights_only=True)
    assert mine["plain"] == theirs["plain"] == CONTENT["plain"]
    for one, other in zip(
        [*mine["net"].values(), *mine["kinds"]], [*theirs["net"].values(), *theirs["kinds"]], strict=True
    ):
        assert one.dtype == other.dtype and one.stride() == other.stride() and torch.equal(one, other)
    assert mine["net"]["row"].data_ptr() == mine["net"]["w"][1].data_ptr()  # views share memory, as they did


def test_one_flipped_bit_anywhere_is_seen(tmp_path: Path):
    path = file_of(tmp_path, {"w": WEIGHTS, "iter": 3})
    whole = path.read_bytes()
    for bit in range(8 * len(whole)) if len(whole) < 300 else random.Random(0).sample(range(8 * len(whole)), 600):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        refusal(path)
    # The last bytes are where the seal and its length stand.
    for bit in range(8 * (len(whole) - 120), 8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        refusal(path)


def test_one_flipped_bit_in_a_number_is_seen_without_a_seal_too(tmp_path: Path):
    path = file_of(tmp_path, {"w": WEIGHTS}, seal=False)
    content = bytearray(path.read_bytes())
    content[content.index(WEIGHTS.numpy().tobytes()) + 9] ^= 4
    path.write_bytes(content)
    assert "CRC" in refusal(path)


@pytest.mark.parametrize("cut", [0, 1, 21, 500, -1, -80])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, cut: int):
    path = file_of(tmp_path, CONTENT)
    path.write_bytes(path.read_bytes()[:cut])
    refusal(path)


class Runs:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('code of a file was run')",)


@pytest.mark.parametrize(
    "value",
    [
        Runs(), torch.ones(3, dtype=torch.complex64), torch.ones(3).to(torch.float8_e5m2), torch.eye(3).to_sparse(),
        torch.empty(3, device="meta"), torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), {1, 2}, b"bytes",
        torch.nn.Parameter(torch.ones(2)), torch.float32, torch.Size([2]), 2**80, {(1, 2): 3}, {1.5: 2},
        torch.zeros(1).expand(10**6), torch.zeros(1).expand(10**12), 1j, torch.device("cpu"),
    ],
    ids=lambda value: str(type(value).__name__),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_other_kinds_are_refused(tmp_path: Path, value: Any):
    if value == 2**80 if isinstance(value, int) else False:
        assert read_tensors(file_of(tmp_path, {"x": value})) == {"x": value}  # a number is a number
        return
    refusal(file_of(tmp_path, {"x": value}))


def rewritten(path: Path, old: bytes, new: bytes, packed: bool = False) -> None:
    """The archive with other instructions, and CRCs that fit them."""
    out = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w", kind) as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename.endswith("data.pkl"):
                assert old in content
                content = content.replace(old, new)
            target.writestr(info.filename, content)
    path.write_bytes(out.getvalue())


def test_a_tensor_larger_than_its_storage_takes_no_memory(tmp_path: Path):
    path = file_of(tmp_path, {"w": torch.zeros(7, 5)}, seal=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rewritten(path, b"K\x07K\x05\x86", b"J\xff\xff\xff\x7fK\x05\x86")
    assert "odd shape" in refusal(path)
    rewritten(path, b"J\xff\xff\xff\x7fK\x05\x86", b"K\x08K\x05\x86")
    assert "over 35 numbers" in refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_packed_members_and_instructions_without_end_are_refused(tmp_path: Path):
    path = file_of(tmp_path, {"w": torch.zeros(100)}, seal=False)
    rewritten(path, b"X", b"X", packed=True)
    assert "compressed" in refusal(path)
    path = file_of(tmp_path, {"w": torch.zeros(3)}, seal=False)
    rewritten(path, b"}q\x00", b"}q\x00" + b"}0" * 600_000)
    assert "instruction POP" in refusal(path)
    rewritten(path := file_of(tmp_path, {"w": 1}, seal=False), b"}q\x00", b"}r\xff\xff\xff\x7f")
    assert "steps" in refusal(path)
    deep: Any = []
    for _ in range(80):
        deep = [deep]
    assert "nested too deeply" in refusal(file_of(tmp_path, {"x": deep}))
    wide: Any = [1] * 10
    for _ in range(10):
        wide = [wide] * 10
    assert "500,000 values" in refusal(file_of(tmp_path, {"x": wide}))


def test_a_bare_pickle_is_not_even_begun(tmp_path: Path):
    (tmp_path / "x.pt").write_bytes(pickle.dumps(Runs()))
    refusal(tmp_path / "x.pt")
