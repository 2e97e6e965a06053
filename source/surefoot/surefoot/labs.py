"""Labs: installed packages that bring robots, terms, tasks, panels and trace profiles of somebody's own.

A lab is a Python package that its distribution names under the entry point group `surefoot.labs`. Its files lie in the
package: `manifests/` as here, MJCF files wherever it likes. They are found without importing the package, which happens
only when a manifest names a term that surefoot itself does not have (`surefoot.mdp.registry`). A manifest chooses terms
and robots by name among what is installed; nothing in a file says what is imported.
"""

import functools
import hashlib
import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from surefoot.errors import LabError, did_you_mean

GROUP = "surefoot.labs"
MERGED = ("traces/joint_orders.yaml",)
"""Files of `manifests/` that every lab may have: their entries are added to the shipped ones."""


@dataclass(frozen=True)
class Lab:
    """An installed lab."""

    name: str
    """Of the entry point, which is that of the package that Python imports."""
    package: str
    """Name that pip knows."""
    version: str
    folder: Path
    """Of the Python package; empty path where it was not found."""
    problem: str = ""
    """Why it is left out, in one line; empty where it is not."""

    @property
    def manifests(self) -> Path:
        """Folder with `tasks/`, `robot/`, `panels/` and so on; it need not exist."""
        return self.folder / "manifests"

    def sha256(self, model: Path | None = None) -> str:
        """Of its Python files, and of the folder of a robot's model where one is given."""
        files = {path for path in self.folder.rglob("*.py") if "__pycache__" not in path.parts}
        if model is not None:
            files |= {path for path in model.parent.rglob("*") if path.is_file() and path.suffix != ".pyc"}
        digest = hashlib.sha256()
        for path in sorted(files):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(self.folder)}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()


@functools.cache
def installed() -> tuple[Lab, ...]:
    """Every lab of this environment, by name; read once, as what is installed does not change under a process."""
    found: dict[str, Lab] = {}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: (point.name, str(point.dist))):
        package, version = (point.dist.name, point.dist.version) if point.dist is not None else (point.name, "unknown")
        lab = Lab(point.name, package, version, Path())
        if point.name in found and (found[point.name].package, found[point.name].version) == (package, version):
            continue  # one distribution, found twice on sys.path
        if point.name in found:
            other = found[point.name]
            problem = f"{_who(lab)} and {_who(other)} have one name: uninstall one of them (pip uninstall {package})"
            found[point.name] = replace(other, problem=problem)
            continue
        found[point.name] = _located(lab, point.value)
    return tuple(found.values())


def _located(lab: Lab, module: str) -> Lab:
    if module != lab.name or not module.isidentifier():
        wanted = f'expected {lab.name} = "{lab.name}", a package at the top, under [project.entry-points."{GROUP}"]'
        return replace(lab, problem=f"{_who(lab)}: {wanted}, got {lab.name} = {module!r}")
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        return replace(lab, problem=f"{_who(lab)}: no package {module!r} to import: pip install it again")
    return replace(lab, folder=Path(next(iter(spec.submodule_search_locations))).resolve())


def _who(lab: Lab) -> str:
    return f"lab {lab.name!r} (package {lab.package} {lab.version})"


def get(name: str) -> Lab:
    """An installed lab that has no problem.

    Raises:
        LabError: None of that name, or it is left out; says why.
    """
    known = {lab.name: lab for lab in installed()}
    if name not in known:
        raise LabError(f"lab {name!r} is not installed in this environment. {did_you_mean(name, known)}")
    if known[name].problem:
        raise LabError(known[name].problem)
    return known[name]


def model_path(asset: str) -> Path:
    """The file of a lab's model, `LAB/PATH` from the package's folder on.

    Raises:
        LabError: No such lab, or no such file in it.
    """
    name, _, below = asset.partition("/")
    lab = get(name)
    path = (lab.folder / below).resolve()
    if not path.is_relative_to(lab.folder):
        raise LabError(f"{asset!r}: expected a file in the package's folder {lab.folder}, got {path}")
    if not path.is_file():
        near = did_you_mean(below, [str(file.relative_to(lab.folder)) for file in lab.folder.rglob("*.xml")])
        raise LabError(f"{_who(lab)} has no file {path}. {near}")
    return path


def against(root: Path) -> tuple[Lab, ...]:
    """The same labs, with a problem where a file has the name of one in `root`, or of another lab."""
    labs = installed()
    taken: dict[str, str] = {}
    out: list[Lab] = []
    for lab in labs:
        files = _files(lab.manifests) if not lab.problem else set[str]()
        for name in sorted(files):
            other = "surefoot" if (root / name).is_file() else taken.get(name, "")
            if other:
                whose = "surefoot itself" if other == "surefoot" else f"lab {other!r}"
                problem = f"{_who(lab)}: {lab.manifests / name} has the name of a file of {whose}: rename it"
                lab = replace(lab, problem=problem)
                break
            taken[name] = lab.name
        out.append(lab)
    return tuple(out)


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.yaml")} - set(MERGED)


def folders(root: Path) -> list[Path]:
    """`root` and the manifests of every lab without a problem."""
    return [root, *(lab.manifests for lab in against(root) if not lab.problem and lab.manifests.is_dir())]


def find(root: Path, name: str) -> Path | None:
    """A file of `root` or of a lab, by its path in there; None where nobody has it.

    Raises:
        LabError: Only a lab that is left out has it.
    """
    # os.path takes names that no file system has for absent; pathlib raises.
    for folder in folders(root):
        if os.path.isfile(folder / name):
            return folder / name
    for lab in against(root):
        if lab.problem and os.path.isfile(lab.manifests / name):
            raise LabError(lab.problem)
    return None


def stems(root: Path, folder: str) -> list[str]:
    """Names of the YAML files in a folder of `root` and of every lab without a problem, sorted."""
    return sorted(path.stem for where in folders(root) for path in (where / folder).glob("*.yaml"))


def problems(labs: Iterable[Lab]) -> list[str]:
    """One line for each lab that is left out."""
    return [f"{lab.problem[0].upper()}{lab.problem[1:]}" for lab in labs if lab.problem]
