"""Manifests in run folders."""

from pathlib import Path

import pytest

from surefoot.errors import ManifestError, RunFolderError
from surefoot.manifest import Manifest, read_manifest, write_manifest


def test_the_first_line_is_the_hash_and_nothing_else_is_left_in_the_folder(
    go1_manifest: Manifest, tmp_path: Path
) -> None:
    path = write_manifest(go1_manifest, tmp_path)
    assert path.read_text().splitlines()[0] == f"# sha256 {go1_manifest.sha256}"
    assert [entry.name for entry in tmp_path.iterdir()] == ["manifest.yaml"]


@pytest.mark.parametrize("text", ["\x85", "a\r\nb", "\u2028", "Ω müß", "# sha256", "- {x: [", "null", "1e-3", " "])
def test_any_text_comes_back_as_it_was(go1_manifest: Manifest, tmp_path: Path, text: str) -> None:
    robot = go1_manifest.robot.model_copy(update={"source": text})
    manifest = go1_manifest.model_copy(update={"robot": robot})
    assert read_manifest(write_manifest(manifest, tmp_path)).robot.source == text


def test_an_edited_file_is_refused(go1_manifest: Manifest, tmp_path: Path) -> None:
    path = write_manifest(go1_manifest, tmp_path)
    path.write_text(path.read_text().replace("seed: 1\n", "seed: 2\n", 1))
    with pytest.raises(ManifestError, match="does not match the sha256"):
        read_manifest(path)


def test_a_comment_is_no_edit(go1_manifest: Manifest, tmp_path: Path) -> None:
    path = write_manifest(go1_manifest, tmp_path)
    path.write_text(path.read_text() + "# the one with the good knees\n")
    assert read_manifest(path) == go1_manifest


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: text.split("\n", 1)[1], "expected '# sha256 ...' in the first line"),
        (lambda text: text + "seed: 1\n", "key 'seed' appears twice"),
        (lambda text: text.replace("seed: 1\n", "seed: &s 1\nsed: *s\n", 1), "alias"),
        (lambda text: text.replace("seed: 1\n", "seed: !!python/name:os.system\n", 1), "python/name"),
        (lambda text: text.replace("gamma:", "gama:", 1), "ppo.gama: unknown key. Did you mean 'gamma'?"),
        (lambda text: text.replace("seed: 1\n", "seed: [\n", 1), "not YAML"),
        (lambda text: "", "expected a mapping"),
        (lambda text: "- 1\n", "expected a mapping"),
        (lambda text: "[" * 1500, "not YAML"),
    ],
)
def test_what_is_no_manifest_is_refused_by_name(go1_manifest: Manifest, tmp_path: Path, change, expected: str) -> None:
    path = write_manifest(go1_manifest, tmp_path)
    path.write_text(change(path.read_text()))
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)


def test_an_absent_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="cannot be read"):
        read_manifest(tmp_path / "manifest.yaml")
    (tmp_path / "manifest.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunFolderError, match="cannot be read"):
        read_manifest(tmp_path / "manifest.yaml")


def test_a_folder_that_does_not_exist_is_refused(go1_manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_manifest(go1_manifest, tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_run_folder_is_replaced_not_written_through(go1_manifest: Manifest, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text("keep me")
    (tmp_path / "manifest.yaml").symlink_to(elsewhere)
    path = write_manifest(go1_manifest, tmp_path)
    assert not path.is_symlink()
    assert elsewhere.read_text() == "keep me"
