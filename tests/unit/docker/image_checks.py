"""What can be wrong in docker/ unnoticed by linters: each check gives the lines that a person should read."""

import re
import tomllib
from pathlib import Path

import yaml
from dockerfile_parse import DockerfileParser

from surefoot import commands


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Instruction and value, continuation lines joined, in order."""
    with dockerfile.open("rb") as file:
        return [(line["instruction"], line["value"]) for line in DockerfileParser(fileobj=file).structure]


def build_args(dockerfile: Path) -> dict[str, str]:
    """Default of each build argument."""
    values = [value for name, value in instructions(dockerfile) if name == "ARG"]
    return dict(value.partition("=")[::2] for value in values)


def dockerfiles(root: Path) -> list[Path]:
    return sorted((root / "docker").glob("Dockerfile.*"))


def missing_sources(root: Path) -> list[str]:
    """What a COPY wants and the repository, or .dockerignore, does not give."""
    kept = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    problems = []
    for dockerfile in dockerfiles(root):
        for name, value in instructions(dockerfile):
            for source in value.split()[:-1] if name == "COPY" else []:
                if not (root / source).exists():
                    problems.append(f"{dockerfile.name}: COPY {source}: no such file")
                elif source.split("/")[0] not in kept:
                    problems.append(f"{dockerfile.name}: COPY {source}: left out by .dockerignore")
    return problems


def unknown_extras(root: Path) -> list[str]:
    """Extras that an image installs and pyproject.toml does not have."""
    known = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    problems = []
    for dockerfile in dockerfiles(root):
        args = build_args(dockerfile)
        for _, value in instructions(dockerfile):
            for group in re.findall(r"-e '?\"?\.\[([^\]]+)\]", value):
                text = re.sub(r"\$\{(\w+)\}", lambda match: args[match[1]], group)  # noqa: B023
                problems += [f"{dockerfile.name}: extra {name}" for name in text.split(",") if name not in known]
    return problems


def other_pins(root: Path) -> list[str]:
    """Versions in a Dockerfile that are not those of constraints.txt, and packages pinned there without a variable."""
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    problems = []
    for dockerfile in dockerfiles(root):
        args = build_args(dockerfile)
        for _, value in instructions(dockerfile):
            for package, version in re.findall(r'"([a-zA-Z0-9_-]+)==([^"]+)"', value):
                given = re.sub(r"\$\{(\w+)\}", lambda match: args[match[1]], version)  # noqa: B023
                if given != pins.get(package):
                    problems.append(f"{dockerfile.name}: {package}=={given}, constraints.txt: {pins.get(package)}")
    return problems


def root_users(root: Path) -> list[str]:
    """Images that end as root."""
    problems = []
    for dockerfile in dockerfiles(root):
        args = build_args(dockerfile)
        users = [value for name, value in instructions(dockerfile) if name == "USER"]
        last = re.sub(r"\$\{(\w+)\}", lambda match: args[match[1]], users[-1]) if users else "0"  # noqa: B023
        if last.split(":")[0] in ("0", "root"):
            problems.append(f"{dockerfile.name}: ends as {last}")
    return problems


def compose_problems(root: Path) -> list[str]:
    """Services whose Dockerfile, build arguments, script or published port do not exist."""
    problems = []
    for name, service in yaml.safe_load((root / "docker/compose.yaml").read_text())["services"].items():
        dockerfile = root / "docker" / service["build"]["context"] / service["build"]["dockerfile"]
        if not dockerfile.is_file():
            problems.append(f"{name}: {service['build']['dockerfile']}: no such file")
            continue
        known = build_args(dockerfile)
        problems += [f"{name}: build argument {arg}" for arg in service["build"]["args"] if arg not in known]
        command = [str(word) for word in service["command"]]
        scripts = [word for word in command if word.endswith(".py")]
        problems += [f"{name}: {script}: no such file" for script in scripts if not (root / script).is_file()]
        for script in (root / script for script in scripts if (root / script).is_file()):
            flags = [word for word in command if word.startswith("--")]
            known = commands.parser_of(script.stem.replace("_", "-")).options()
            problems += [
                f"{name}: {script.name} has no {flag}" for flag in flags if flag.replace("_", "-") not in known
            ]
        inside = [port.split(":")[-1] for port in service.get("ports", [])]
        problems += [f"{name}: nothing listens on {port}" for port in inside if port not in command]
    return problems
