"""Orders are permutations of the robot's joints, and mapping between two of them moves every joint to its name."""

from pathlib import Path

import pytest

from surefoot.errors import ManifestError, TraceError, UnknownName
from surefoot.traces.joint_orders import positions, read_joint_orders
from surefoot_tasks import manifest_root

ORDERS = read_joint_orders(manifest_root())
GO2 = [name for name, order in ORDERS.orders.items() if order.robot == "unitree_go2"]


def test_first_joints_of_each_order():
    first = {name: ORDERS.get(name).joints[:4] for name in GO2}
    assert first["unitree_sdk_go2"] == ("FR_hip_joint", "FR_thigh_joint", "FR_calf_joint", "FL_hip_joint")
    assert first["menagerie_go2"] == ("FL_hip_joint", "FL_thigh_joint", "FL_calf_joint", "FR_hip_joint")
    assert first["isaaclab_go2"] == ("FL_hip_joint", "FR_hip_joint", "RL_hip_joint", "RR_hip_joint")
    assert ORDERS.get("isaaclab_anymal").joints[:4] == ("LF_HAA", "LH_HAA", "RF_HAA", "RH_HAA")
    assert len(ORDERS.get("unitree_sdk_g1").joints) == 29


@pytest.mark.parametrize("source", GO2)
@pytest.mark.parametrize("target", GO2)
def test_every_pair_of_orders_maps_by_name(source: str, target: str):
    there = [ORDERS.get(source).joints[at] for at in ORDERS.indices(source, target)]
    assert tuple(there) == ORDERS.get(target).joints


def test_isaac_lab_to_unitree():
    # FR_hip is second among Isaac Lab's hips, FR_thigh sixth, FR_calf tenth, FL_hip first.
    assert ORDERS.indices("isaaclab_go2", "unitree_sdk_go2")[:4] == [1, 5, 9, 0]


def test_orders_of_different_robots_do_not_mix():
    with pytest.raises(TraceError, match="different joints"):
        ORDERS.indices("unitree_sdk_go2", "isaaclab_anymal")
    with pytest.raises(UnknownName, match=r"'unitree_sdk_go3' not found\. Did you mean 'unitree_sdk_go"):
        ORDERS.get("unitree_sdk_go3")


def test_names_that_come_with_an_array():
    assert positions(["b", "a", "c"], ["a", "c"], "log") == [1, 2]
    with pytest.raises(UnknownName, match=r"log: joint 'FR_hip' not found. Did you mean 'FR_hip_joint'"):
        positions(["FR_hip_joint"], ["FR_hip"], "log")
    with pytest.raises(UnknownName, match="one name twice"):
        positions(["a", "a"], ["a"], "log")


def test_a_joint_named_twice_is_refused(tmp_path: Path):
    path = tmp_path / "traces" / "joint_orders.yaml"
    path.parent.mkdir()
    path.write_text("schema_version: 1\norders:\n  x: {robot: r, source: s, joints: [a, a]}\n")
    with pytest.raises(ManifestError, match=r"joint_orders.yaml: orders.x.joints: expected every name once"):
        read_joint_orders(tmp_path)
