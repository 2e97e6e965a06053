"""A new lab: a small installable package with a robot, a reward, a task, a panel, a trace profile and a test."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import surefoot
from surefoot import labs
from surefoot.engines.mjcf import mjcf_path, named_spec
from surefoot.engines.robot_draft import Draft, draft_robot
from surefoot.errors import LabError

_TEMPLATE = "new_lab"
_GO1_MASS = 12.7
"""kg; weights and payloads of the flat task are the Go1's."""
_BESIDE = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*")


@dataclass(frozen=True)
class NewLab:
    """What was written."""

    folder: Path
    files: tuple[Path, ...]
    task: str
    robot_file: Path
    draft: Draft


def make_lab(name: str, into: Path, robot: str | None = None, robot_name: str | None = None) -> NewLab:
    """Write a lab.

    Args:
        name: Of the Python package.
        into: Folder in which its folder is made.
        robot: An MJCF file, or the name of a robot in MuJoCo Menagerie; None: a simple quadruped.
        robot_name: Short name; default: that of the file.

    Raises:
        LabError: The name cannot be that of a package, or is taken; nothing was written.
        UnknownName: MuJoCo Menagerie has no such robot; with the nearest.
        EngineError: The robot's file is absent, cannot be read, or is of no symmetric quadruped.
    """
    _check_name(name)
    folder = into / name
    if folder.exists():
        raise LabError(f"{folder}: exists already; choose another name, or move it away.")
    template = resources.files(surefoot).joinpath(_TEMPLATE)
    own_file = robot is None or Path(robot).suffix == ".xml"
    source = _model(robot) if robot is not None else None
    short = _word(robot_name or (Path(robot).stem if robot is not None else "dog"))
    with resources.as_file(template.joinpath("package/robots/dog.xml")) as simple:
        draft = draft_robot(source if source is not None else simple)
        robot_id = f"{name}_{short}"
        task = f"{_camel(name)}-Velocity-Flat-{_camel(short)}-v0"
        asset = f"{name}/robots/{short}/{(source or Path('dog.xml')).name}" if own_file else str(robot)
        words = _words(name, robot_id, task, draft)
        files: dict[Path, str] = {}
        for path, text in _texts(template):
            files[_target(path, name, words)] = _filled(text, words)
        robot_file = Path(name, "manifests", "robot", f"{robot_id}.yaml")
        files[robot_file] = _robot_yaml(robot_id, robot or "surefoot new", asset, draft)
        try:
            for path, text in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8")
            models = folder / name / "robots" / short
            if robot is None:
                models.mkdir(parents=True)
                shutil.copy(simple, models / "dog.xml")
            elif own_file and source is not None:
                _copy_model(source, models)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise LabError(f"{folder}: cannot be written ({error.strerror}).") from None
    written = tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
    return NewLab(folder, written, task, folder / robot_file, draft)


def _model(robot: str) -> Path:
    if not robot.endswith(".xml"):
        return mjcf_path(robot)
    if not Path(robot).is_file():
        raise LabError(f"{robot}: no such file; expected an MJCF file, or the name of a robot in MuJoCo Menagerie.")
    return Path(robot)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise LabError(f"{name!r}: expected a name that Python can import: small letters, digits and _, as in my_lab.")
    if name in {lab.name for lab in labs.installed()} or name in ("surefoot", "surefoot_tasks"):
        raise LabError(f"{name!r}: a package of this name is installed already; choose another one.")


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "robot"


def _camel(text: str) -> str:
    return "".join(part.capitalize() for part in text.split("_") if part)


def _words(name: str, robot: str, task: str, draft: Draft) -> dict[str, str]:
    mass, height = draft.mass, float(draft.plain["base_height"])
    payload = [round(mass * share, 2) for share in (-0.04, 0.026, 0.092, 0.158)]  # the Go1's, -0.5 to 2 kg of 12.7
    return {
        "lab": name,
        "package": name.replace("_", "-"),
        "robot": robot,
        "task": task,
        "surefoot": surefoot.__version__,
        "frequency": "2.0" if height < 0.4 else "1.5",
        "swing": f"{0.28 * height:.2g}",
        "target": f"{0.96 * height:.3g}",
        "torques": f"{-0.0002 * (_GO1_MASS / mass) ** 2:.1e}",
        "mass": f"{mass:.3g}",
        "payload": str(payload),
        "heavy": f"{mass / 3:.3g}",
        "joints": ", ".join(joint["name"] for joint in draft.plain["joints"]),
    }


def _texts(folder: Traversable, below: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        path = f"{below}/{entry.name}".lstrip("/")
        if entry.is_dir():
            yield from _texts(entry, path)
        elif entry.name.endswith(".in"):
            yield path.removesuffix(".in"), entry.read_text(encoding="utf-8")


def _target(path: str, name: str, words: dict[str, str]) -> Path:
    path = path.replace("package/", f"{name}/").replace("tasks/task.yaml", f"tasks/{words['task']}.yaml")
    path = path.replace("panels/panel.yaml", f"panels/{name}_walk_v1.yaml")
    path = path.replace("formats/profile.yaml", f"formats/{name}_columns.yaml")
    return Path(path.replace("test_lab.py", f"test_{name}.py"))


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@(\w+)@", lambda match: words[match[1]], text)


def _robot_yaml(robot: str, source: str, asset: str, draft: Draft) -> str:
    plain = draft.plain
    lines = [f"# {robot}, {draft.mass:.4g} kg. Written by `surefoot new` from {source}."]
    lines += [f"# GUESSED: {text}." for text in draft.guessed]
    lines += [f"name: {robot}", f"source: {source}"]
    lines += [f"{key}: {plain[key]}" for key in ("base_body", "base_height", "imu_site", "soft_limit_factor")]
    lines += ["joints:", *(f"  - {_flow(joint)}" for joint in plain["joints"])]
    lines += ["feet:", *(f"  - {_flow(foot)}" for foot in plain["feet"])]
    for key in ("base_geoms", "limb_geoms"):
        lines.append(f"{key}: [{', '.join(plain[key])}]")
    lines += [
        "contact_models:",
        "  # Feet and trunk on the ground, nothing on itself. For training.",
        "  lean:",
        "    collide: [feet, base]",
        "    self_collision: false",
        "    foot_condim: 3",
        "    foot_friction: [0.8, 0.005, 0.0005]",
        "    solref: [0.02, 1.0]",
        "  # Everything that collides, with each other too. For evaluation.",
        "  full:",
        "    collide: [feet, base, limbs]",
        "    self_collision: true",
        "    foot_condim: 6",
        "    foot_friction: [0.8, 0.005, 0.0005]",
        "    solref: [0.01, 1.0]",
        "assets:",
        f"  mujoco: {asset}",
    ]
    return "\n".join(lines) + "\n"


def _flow(entry: dict[str, Any]) -> str:
    texts = [f"{key}: {_number(value)}" for key, value in entry.items()]
    middle = len(texts) // 2
    return "{" + ", ".join(texts[:middle]) + ",\n     " + ", ".join(texts[middle:]) + "}"


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_number(item) for item in value)}]"
    return repr(value) if isinstance(value, float) else str(value)


def _copy_model(source: Path, target: Path) -> None:
    """The MJCF with whatever files it names, and the licence beside it."""
    target.mkdir(parents=True)
    shutil.copy(source, target / source.name)
    spec = named_spec(source)
    files = {Path(spec.meshdir) / mesh.file for mesh in spec.meshes if mesh.file}
    files |= {Path(spec.texturedir) / texture.file for texture in spec.textures if texture.file}
    files |= {Path(spec.meshdir) / field.file for field in spec.hfields if field.file}
    files |= {Path(name) for name in re.findall(r'<include\s+file="([^"]+)"', source.read_text(encoding="utf-8"))}
    files |= {path.relative_to(source.parent) for pattern in _BESIDE for path in source.parent.glob(pattern)}
    for file in sorted(files):
        if file.is_absolute() or ".." in file.parts:
            raise LabError(
                f"{source}: names {file}, outside of its folder: move the file there and name it from there."
            )
        if (source.parent / file).is_file():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source.parent / file, target / file)
