"""Where the robots of `isaaclab_assets` are other machines than this project's definitions: the known places, pinned.

The tables are in docs/robots.md; a number that changes on either side changes them.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest

from surefoot.engines.isaaclab.asset_numbers import Difference, differences, table
from surefoot.manifest import Manifest, compose_manifest
from surefoot_tasks import manifest_root

TASKS = [
    f"Surefoot-Velocity-Flat-{robot}-v0"
    for robot in ("Unitree-Go1", "Unitree-Go2", "Unitree-G1", "Unitree-H1", "Anymal-D")
]
DOCS = Path(__file__).parents[2] / "docs" / "robots.md"


@pytest.mark.parametrize("task", TASKS)
def test_the_documented_disagreements_are_all(isaaclab: str, task: str) -> None:
    version = isaaclab  # the import below takes the name
    import isaaclab.envs
    import isaaclab_assets

    robot = compose_manifest(manifest_root(), task).robot
    if version == "2.3" and robot.name in ("unitree_go1", "unitree_go2"):
        pytest.skip("the tables are those of 3.0.0, whose limits of Go1 and Go2 are not those of 2.3")
    found = table(robot, getattr(isaaclab_assets, str(robot.assets.isaaclab)))
    print(f"\n{robot.name}\n\n{found}")
    assert found in DOCS.read_text()


@pytest.mark.parametrize(("task", "option"), [(TASKS[1], "unitree_go2_dc"), (TASKS[4], "anymal_d_dc")])
def test_the_shipped_dc_motors_are_those_of_isaaclab_assets(isaaclab: str, task: str, option: str) -> None:
    version = isaaclab
    import isaaclab.envs
    from isaaclab_assets.robots import anymal, unitree

    robot = compose_manifest(manifest_root(), task, [f"robot={option}"]).robot
    if version != "2.3" and option == "unitree_go2_dc":
        pytest.skip("the numbers of this option are those of 2.3; 3.0.0 has others for the Go2")
    go2, drive = unitree.UNITREE_GO2_CFG, anymal.ANYDRIVE_3_SIMPLE_ACTUATOR_CFG
    cfg = go2 if option == "unitree_go2_dc" else anymal.ANYMAL_D_CFG.replace(actuators={"legs": drive})
    assert robot.motors == "dc_motor"
    found = {entry.quantity for entry in differences(robot, cfg)}
    assert found.isdisjoint({"stiffness", "damping", "effort_limit", "velocity_limit", "saturation_effort"})
    weaker = robot.model_copy(
        update={"joints": tuple(j.model_copy(update={"saturation_effort": 999.0}) for j in robot.joints)}
    )
    assert "saturation_effort" in {entry.quantity for entry in differences(weaker, cfg)}


def config(**motor: object) -> SimpleNamespace:
    names = motor.pop("names", [".*"])
    pose = SimpleNamespace(joint_pos={".*L_hip_joint": -0.1, ".*R_hip_joint": 0.1, ".*thigh.*": 0.9, ".*calf.*": -1.8})
    return SimpleNamespace(init_state=pose, actuators={"legs": SimpleNamespace(joint_names_expr=names, **motor)})


SAME = {
    "stiffness": 35.0, "damping": 0.5, "friction": 0.0,
    "effort_limit": {".*_calf_joint": 35.55, ".*": 23.7},
    "velocity_limit": {".*_calf_joint": 20.06, ".*": 30.1},
    "armature": {".*_calf_joint": 0.009059, ".*": 0.004026},
}  # fmt: skip


def test_equal_numbers_are_no_difference(go1_manifest: Manifest) -> None:
    assert differences(go1_manifest.robot, config(**SAME)) == []


def test_differences_by_quantity_side_and_absence(go1_manifest: Manifest) -> None:
    robot = go1_manifest.robot
    other = config(**SAME | {"stiffness": {"FR_calf_joint": 30.0, ".*": 35.0}, "damping": {".*_hip_joint": 0.5}})
    assert differences(robot, other) == [
        Difference("stiffness", ("FR_calf_joint",), 35.0, 30.0),  # one side: its name in full
        Difference("damping", ("thigh_joint", "calf_joint"), 0.5, None),
    ]
    simulated = config(**SAME | {"effort_limit_sim": 20.0})  # counts before effort_limit
    assert {entry.theirs for entry in differences(robot, simulated)} == {20.0}
    without_calves = config(**SAME, names=[".*_hip_joint", ".*_thigh_joint"])
    assert all(entry.joints == ("calf_joint",) and entry.theirs is None for entry in differences(robot, without_calves))
