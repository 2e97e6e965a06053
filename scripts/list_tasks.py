"""List the tasks that --task takes.

python scripts/list_tasks.py
"""

import argparse

import surefoot.cli
from surefoot.manifest import compose_manifest
from surefoot.mdp.observation_layout import observation_size
from surefoot_tasks import list_tasks, manifest_root


def main() -> None:
    """One line a task: name, robot, control rate, sizes, hash."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    rows = [("task", "robot", "control", "actions", "actor obs", "critic obs", "manifest")]
    for name in list_tasks():
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
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    surefoot.cli.run(main)
