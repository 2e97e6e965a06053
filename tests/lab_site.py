"""Labs as pip leaves them: a package and the metadata that names it, in a folder on the path."""

from pathlib import Path


def install(site: Path, name: str, folder: Path, *, version: str = "0.1.0", package: str = "") -> None:
    """Make `folder`, the Python package of a lab, importable from `site` under `name`."""
    package = package or name.replace("_", "-")
    info = site / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[surefoot.labs]\n{name} = {name}\n")
    (site / name).symlink_to(folder, target_is_directory=True)
