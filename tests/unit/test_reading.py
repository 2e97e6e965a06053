"""What every reader of files refuses before it takes memory or time."""

import gc
import os
import time
from pathlib import Path

import pytest

from surefoot.reading import Refused, parse_json, parse_yaml, read_bytes, read_text


def test_plain_yaml_is_what_it_says():
    assert parse_yaml("a: [1, 2.5, yes, null]\nb: {c: text}") == {"a": [1, 2.5, True, None], "b": {"c": "text"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\nb: *x", "line 2: it has an alias"),
        ("a: 1\nb: 2\na: 3", "key 'a' appears twice in the mapping at line 1"),
        ("[" * 65 + "]" * 65, "more than 64 levels"),
        ("a: " + "9" * 5000, "4300"),
        ("a: 2020-13-45", "month"),
        ("a: !!python/object/apply:os.getcwd []", "python/object"),
        ("[" + "1," * 100_000 + "]", "more than 100,000 keys"),
        ("a: " + "x" * 1024**2, "at most 1,048,576"),
        ("? [1, 2]\n: 3", "hashable"),
    ],
)
def test_other_yaml_is_refused_in_a_line(text: str, message: str):
    with pytest.raises(Refused, match=message) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 200


def test_an_alias_counts_as_what_it_stands_for():
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    with pytest.raises(Refused, match="more than 100,000 keys"):
        parse_yaml(laughs, aliases=True)
    # Sixteen lists of 2, 4, 8 ... texts and the lists around them are 2**17 nodes; fifteen are within 100,000.
    assert len(parse_yaml("\n".join(laughs.splitlines()[:14]), aliases=True)["a13"]) == 2
    with pytest.raises(Refused, match="characters in them"):
        parse_yaml(f"a: &a {'x' * 1000}\nb: [{'*a,' * 2000}]", aliases=True)
    with pytest.raises(Refused, match="of what it stands in"):
        parse_yaml("a: &a [*a]", aliases=True)


def test_yaml_takes_time_in_proportion_to_its_keys():
    def seconds(keys: int) -> float:
        text = "".join(f"k{i}: 1\n" for i in range(keys))
        gc.collect()
        gc.disable()
        before = time.process_time()
        assert len(parse_yaml(text)) == keys
        taken = time.process_time() - before
        gc.enable()
        return taken

    seconds(100)
    # With the square it would be 64 times.
    assert seconds(24_000) < 32 * seconds(3_000)


def test_json_is_refused_in_a_line():
    for text in ("[" * 200_000, "{", "1" * 5000, b"\xff", b" " * 40_000_000):
        with pytest.raises(Refused):
            parse_json(text)


def test_only_regular_files_are_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "large").write_bytes(b"12345")
    for name in ("pipe", "endless", "."):
        with pytest.raises(Refused, match="expected a regular file"):
            read_bytes(tmp_path / name)
    with pytest.raises(Refused, match="not UTF-8 at byte 3"):
        read_text(tmp_path / "latin")
    with pytest.raises(Refused, match="it has 5 bytes, at most 4"):
        read_bytes(tmp_path / "large", 4)
    assert read_bytes(tmp_path / "large", 5) == b"12345"
    with pytest.raises(OSError, match="No such file"):
        read_bytes(tmp_path / "absent")
