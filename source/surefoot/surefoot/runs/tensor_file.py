"""Files of tensors and plain values, as `torch.save` writes them, read without trusting a byte.

torch.load(weights_only=True) runs no code, but it makes room for whatever a file announces: a tensor of 10^10 elements
over a storage of four bytes, sparse, quantised, nested and meta tensors. Here the archive's CRCs and our own hash are
compared first, the pickle's instructions are looked through one by one, and a tensor is made only of bytes that are
there. What comes out is what torch.load would have given.
"""

import hashlib
import io
import os
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch

from surefoot.manifest.manifest import MAX_ENVS
from surefoot.reading import MAX_ARRAYS, MAX_DEPTH, Refused, first_line, open_regular, zip_members

_MAX_PICKLE = 64 * 1024**2
_MAX_STEPS = 1_000_000
"""Instructions of a pickle; a checkpoint has some thousand."""
_MAX_VALUES = 500_000
_SEAL = b"surefoot sha256 "
_EOCD = b"PK\x05\x06"
_OPCODES = frozenset({
    "PROTO", "GLOBAL", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "MARK", "REDUCE", "BUILD", "STOP", "BINPERSID",
    "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE",
    "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
})  # fmt: skip
_DTYPES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip


def sealed(archive: bytes) -> bytes:
    """What `torch.save` wrote, with the SHA-256 of all of it in the archive's comment: one flipped bit is seen."""
    length = len(_SEAL) + 64
    content = archive[:-2] + length.to_bytes(2, "little")
    return content + _SEAL + hashlib.sha256(content).hexdigest().encode()


def read_tensors(path: Path, most: int = MAX_ARRAYS) -> Any:
    """What was saved: dicts, lists, tuples, text, numbers and dense tensors on the CPU.

    Args:
        path: The file.
        most: Bytes that it may have, and its tensors together.

    Raises:
        Refused: Damaged, too large, or holds anything else.
        OSError: Cannot be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise Refused(f"it has {size / 1e9:.1f} GB, at most {most / 1e9:.1f} are read")
        content = file.read(most)
    _check_seal(content)
    members = zip_members(io.BytesIO(content), most, packed=False)
    del content
    roots = {name.split("/")[0] for name in members}
    if len(roots) != 1 or f"{min(roots)}/data.pkl" not in members:
        raise Refused("not an archive of torch.save")
    root = min(roots)
    if members.get(f"{root}/byteorder", b"little") != b"little":
        raise Refused("its numbers are in another byte order")
    instructions = members[f"{root}/data.pkl"]
    _check_pickle(instructions)
    try:
        found = _Unpickler(instructions, members, f"{root}/data/", most).load()
    except (Refused, MemoryError):
        raise
    except Exception as error:  # a pickle can make the machine stumble in any way
        raise Refused(f"damaged ({first_line(error)})") from None
    _check_plain(found)
    return found


def _check_seal(content: bytes) -> None:
    start = content.rfind(_EOCD)
    if start < 0 or len(content) < start + 22:
        raise Refused("cut off, or not an archive of torch.save")
    comment = content[start + 22 :]
    if len(comment) != int.from_bytes(content[start + 20 : start + 22], "little"):
        raise Refused("damaged: it does not end where the archive says")
    # torch.save writes no comment: files of before, and of other trainers.
    if comment and comment != _SEAL + hashlib.sha256(content[: start + 22]).hexdigest().encode():
        raise Refused("damaged: its content is not that of its SHA-256")


def _check_pickle(content: bytes) -> None:
    """Refuse instructions that torch.save does not write, and any that announce more than is there."""
    if len(content) > _MAX_PICKLE:
        raise Refused(f"its plain values have {len(content):,} bytes, at most {_MAX_PICKLE:,} are read")
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if opcode.name not in _OPCODES:
                raise Refused(f"not an archive of torch.save: it has the instruction {opcode.name}")
            if number > _MAX_STEPS or (opcode.name == "LONG_BINPUT" and cast("int", argument) > _MAX_STEPS):
                raise Refused(f"its plain values take more than {_MAX_STEPS:,} steps")
    except Refused:
        raise
    except Exception as error:  # as pickletools says itself, it is not robust
        raise Refused(f"damaged ({first_line(error)})") from None


class _Unpickler(pickle.Unpickler):
    """Builds plain containers, and tensors of storages that are in the archive; imports nothing."""

    def __init__(self, content: bytes, members: dict[str, bytes], folder: str, most: int) -> None:
        super().__init__(io.BytesIO(content))
        self._members, self._folder, self._left = members, folder, most
        self._storages: dict[str, torch.Tensor] = {}

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): _ordered,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
        }
        if module_name == "torch" and global_name in _DTYPES:
            return _Storage(global_name)
        if (module_name, global_name) not in known:
            raise Refused(f"holds {module_name}.{global_name}"[:120] + ", expected dense tensors and plain values")
        return known[module_name, global_name]

    def persistent_load(self, pid: Any, /) -> torch.Tensor:
        match pid:
            case ("storage", _Storage() as kind, str() as key, str(), int() as count):
                pass
            case _:
                raise Refused("damaged: it names a storage in a way that is not read")
        dtype = _DTYPES[kind.name]
        content = self._members.get(self._folder + key)
        if content is None or len(content) != count * dtype.itemsize:
            raise Refused(f"damaged: storage {key!r:.40} has not the size that is announced")
        if key not in self._storages:
            empty = torch.empty(0, dtype=dtype)
            self._storages[key] = torch.frombuffer(bytearray(content), dtype=dtype) if count else empty
        if self._storages[key].dtype != dtype:
            raise Refused(f"damaged: storage {key!r:.40} is of two types")
        return self._storages[key]

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> torch.Tensor:
        whole = [offset, *size, *stride]
        if not isinstance(storage, torch.Tensor) or len(size) != len(stride) or len(size) > MAX_DEPTH:
            raise Refused("damaged: a tensor without storage or of an odd shape")
        if any(type(number) is not int or number < 0 for number in whole):
            raise Refused("damaged: a tensor with an odd shape or stride")
        # Of a tensor without elements the other dimensions cost nothing, and may be any.
        if max(whole) > max(len(storage), MAX_ENVS):
            raise Refused("damaged: a tensor with an odd shape or stride")
        count, last = 1, offset
        for length, step in zip(size, stride, strict=True):
            count, last = count * length, last + max(0, length - 1) * step
        # One element stands in one place: rows of stride 0 stand for more memory than the file has.
        if count > len(storage) or (count and last >= len(storage)):
            raise Refused(f"damaged: a tensor of shape {tuple(size)!s:.60} over {len(storage):,} numbers")
        self._left -= count * storage.dtype.itemsize
        if self._left < 0:
            raise Refused("its tensors are larger together than is read")
        return storage.as_strided(tuple(size), tuple(stride), offset)


class _Storage:
    """Name of a storage's type."""

    def __init__(self, name: str) -> None:
        self.name = name


def _ordered() -> OrderedDict[Any, Any]:
    return OrderedDict()


def _check_plain(found: Any) -> None:
    """Refuse what is deeper or wider than anything that is saved; a value that stands in many places counts in each."""
    waiting: list[tuple[Any, int]] = [(found, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH or count > _MAX_VALUES:
            raise Refused(
                "it is nested too deeply" if depth > MAX_DEPTH else f"it has more than {_MAX_VALUES:,} values"
            )
        if isinstance(value, dict):
            pairs = cast("dict[Any, Any]", value)
            if any(not isinstance(key, str | int) for key in pairs):
                raise Refused("damaged: a dict with other keys than text and whole numbers")
            waiting += [(item, depth + 1) for item in pairs.values()]
        elif isinstance(value, list | tuple):
            waiting += [(item, depth + 1) for item in cast("list[Any]", value)]
        elif value is not None and not isinstance(value, str | int | float | torch.Tensor):
            raise Refused(f"holds {type(value).__name__}, expected dense tensors and plain values")
