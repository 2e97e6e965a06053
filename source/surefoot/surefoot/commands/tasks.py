"""List the tasks that --task takes, those of installed labs too.

surefoot tasks
surefoot tasks --sizes       # also sizes of networks and the manifest's hash, which takes some seconds
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much to print."""
    parser.add_argument("--sizes", action="store_true", help="compose every manifest")
    parser.add_argument("--names", action="store_true", help="names alone, for scripts and shell completion")


def run(args: argparse.Namespace) -> None:
    """One line a task, and one for each lab that is left out."""
    from surefoot import labs
    from surefoot_tasks import list_tasks, manifest_root

    names = list_tasks()
    if args.names:
        print(*names, sep="\n")
        return
    rows = _sizes(names) if args.sizes else [("task", "what it is"), *((name, _about(name)) for name in names)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for problem in labs.problems(labs.against(manifest_root())):
        print(f"Left out: {problem.rstrip('.')}.")


def _about(name: str) -> str:
    """The first comment of the task's file that is no directive of Hydra's."""
    from surefoot import labs
    from surefoot_tasks import manifest_root

    path = labs.find(manifest_root(), f"tasks/{name}.yaml")
    lines = path.read_text(encoding="utf-8").splitlines() if path is not None else []
    comments = [line[1:].strip() for line in lines if line.startswith("#") and "@package" not in line]
    return comments[0] if comments else ""


def _sizes(names: list[str]) -> list[tuple[str, ...]]:
    from surefoot.manifest import compose_manifest
    from surefoot.mdp.observation_layout import observation_size
    from surefoot_tasks import manifest_root

    rows: list[tuple[str, ...]] = [("task", "robot", "control", "actions", "actor obs", "critic obs", "manifest")]
    for name in names:
        manifest = compose_manifest(manifest_root(), name)
        rows.append(
            (
                name,
                manifest.robot.name,
                f"{1 / manifest.simulation.step_dt:.0f} Hz",
                str(len(manifest.robot.joints)),
                str(observation_size(manifest, "actor")),
                str(observation_size(manifest, "critic")),
                manifest.sha256[:12],
            )
        )
    return rows
