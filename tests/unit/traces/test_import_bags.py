"""Bags of other writers become traces; damaged ones are refused; memory does not grow with the bag."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import Writer

from bag_cases import STORE, header, low_states, message, write_bag, write_mcap
from log_cases import imported, joint_values, stamps
from surefoot.errors import SurefootError, TraceError, UnknownName
from surefoot.traces.importer import file_sha256
from trace_cases import JOINTS

NUM = 300


def joint_states(count: int, shuffle: bool = True) -> Iterator[tuple[int, str, str, Any]]:
    """JointState at 500 Hz, its joints in another order in the second half; a PoseStamped every 10 ms."""
    values = joint_values(count)
    kind = "sensor_msgs/msg/JointState"
    for at, stamp in enumerate(stamps(count).tolist()):
        order = list(range(12)) if not shuffle or at < count // 2 else list(range(11, -1, -1))
        parts = {"position": "q", "velocity": "dq", "effort": "tau"}
        arrays = {field: values[name][at][order] for field, name in parts.items()}
        names = [JOINTS[joint] for joint in order]
        yield stamp + 300_000, "/joint_states", kind, message(kind, header=header(stamp), name=names, **arrays)
        if at % 5 == 0:
            point = STORE.types["geometry_msgs/msg/Point"](x=at * 0.01, y=0.0, z=0.3)
            turn = STORE.types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0)
            pose = STORE.types["geometry_msgs/msg/Pose"](position=point, orientation=turn)
            content = STORE.types["geometry_msgs/msg/PoseStamped"](header=header(stamp), pose=pose)
            yield stamp + 900_000, "/mocap/base/pose", "geometry_msgs/msg/PoseStamped", content


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bags") / "go2", low_states(NUM))


@pytest.mark.parametrize("kind", ["sqlite3", "mcap", "mcap package", "file"])
def test_unitree_messages(tmp_path: Path, bag: Path, kind: str):
    if kind == "mcap":
        path = write_bag(tmp_path / "go2", low_states(NUM), mcap=True)
    elif kind == "mcap package":
        path = write_mcap(tmp_path / "go2.mcap", low_states(NUM))
    else:
        path = Path(shutil.copytree(bag, tmp_path / "go2"))
        path = next(path.glob("*.db3")) if kind == "file" else path
    trace = imported(path, "go2_bag")
    values = joint_values(NUM)
    assert np.array_equal(trace.stamp, stamps(NUM))
    for name in ("q", "dq", "tau", "q_des"):
        assert np.array_equal(trace.get(name, JOINTS), values[name].astype(np.float32))
    assert (trace.get("kp") == 35).all() and (trace.get("kd") == 0.5).all()
    assert trace.get("gyro")[5] == pytest.approx([0.1, 0.2, 0.3])
    assert trace.get("foot_force", ["RL", "FR"])[0].tolist() == [40, 10]
    assert not trace.has("base_pos_w")
    assert trace.header.findings == ()


def test_joints_of_joint_state_go_by_name_in_each_message(tmp_path: Path):
    trace = imported(write_bag(tmp_path / "bag", joint_states(NUM)), "ros_joint_states")
    values = joint_values(NUM)
    for name in ("q", "dq", "tau"):
        assert np.array_equal(trace.get(name, JOINTS), values[name])
    assert np.array_equal(trace.stamp, stamps(NUM))  # the header's, not the receipt's
    inside = slice(0, 5 * ((NUM - 1) // 5) + 1)
    assert trace.get("base_pos_w")[inside, 0] == pytest.approx(np.arange(NUM)[inside] * 0.01)


def test_an_unknown_joint_is_named(tmp_path: Path):
    def renamed() -> Iterator[tuple[int, str, str, Any]]:
        for stamp, topic, kind, content in joint_states(10, shuffle=False):
            if topic == "/joint_states" and stamp > stamps(10)[6]:
                content.name[2] = "FR_knee_joint"
            yield stamp, topic, kind, content

    with pytest.raises(UnknownName, match=r"/joint_states, message 7: joint 'FR_calf_joint' not found"):
        imported(write_bag(tmp_path / "bag", renamed()), "ros_joint_states")


def test_topics_can_be_renamed_and_unknown_ones_are_named(tmp_path: Path):
    def moved() -> Iterator[tuple[int, str, str, Any]]:
        for stamp, topic, kind, content in low_states(20):
            yield stamp, f"/lf{topic}", kind, content

    path = write_bag(tmp_path / "bag", moved())
    with pytest.raises(TraceError, match=r"topic '/lowstate' not found. Did you mean '/lf/lowstate'\?"):
        imported(path, "go2_bag")
    trace = imported(path, "go2_bag", topics={"lowstate": "/lf/lowstate", "lowcmd": "/lf/lowcmd"})
    assert trace.has("q_des")
    with pytest.raises(TraceError, match=r"is of type unitree_go/msg/LowState, the profile expects unitree_hg"):
        imported(path, "g1_bag", topics={"lowstate": "/lf/lowstate"})


def test_a_robot_clock_that_jumps_is_flagged(tmp_path: Path):
    def jumping() -> Iterator[tuple[int, str, str, Any]]:
        for at, (stamp, topic, kind, content) in enumerate(low_states(2000)):
            if topic == "/lowstate" and at > 2000:
                content.tick += 500
            yield stamp, topic, kind, content

    found = imported(write_bag(tmp_path / "bag", jumping()), "go2_bag").header.findings
    assert [(finding.kind, finding.source) for finding in found] == [("jump", "/lowstate")]
    assert found[0].row is not None and abs(found[0].row - 1001) < 70 and "-0.5 s" in found[0].message


@pytest.mark.parametrize("mcap", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_bag_is_refused_and_leaves_nothing(tmp_path: Path, mcap: bool, share: float):
    path = write_bag(tmp_path / "bag", low_states(NUM), mcap)
    file = next(file for file in path.iterdir() if file.suffix in (".db3", ".mcap"))
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(TraceError, match=r"cannot be opened|truncated|corrupt|malformed"):
        imported(path, "go2_bag")
    assert [entry.name for entry in tmp_path.iterdir()] == ["bag"]


def test_a_truncated_message_is_named(tmp_path: Path):
    with Writer(tmp_path / "bag", version=9) as writer:
        connection = writer.add_connection("/lowstate", "unitree_go/msg/LowState", typestore=STORE)
        for stamp, topic, kind, content in low_states(5):
            if topic == "/lowstate":
                blob = bytes(STORE.serialize_cdr(content, kind))
                writer.write(connection, stamp, blob[:600] if stamp == stamps(5)[3] else blob)
    with pytest.raises(TraceError, match=r"/lowstate, message 4: 600 bytes, a unitree_go/msg/LowState has 1180"):
        imported(tmp_path / "bag", "go2_bag")


@pytest.mark.parametrize("path", ["../outside.db3", "/etc/passwd", "C:\\evil.db3", "a/../../b.db3"])
def test_metadata_that_leads_out_of_the_bag_is_refused(tmp_path: Path, bag: Path, path: str):
    copy = Path(shutil.copytree(bag, tmp_path / "go2"))
    text = (copy / "metadata.yaml").read_text()
    (copy / "metadata.yaml").write_text(re.sub(r"- go2\S*\.db3", lambda _: f"- '{path}'", text))
    with pytest.raises(TraceError, match=r"leads out of the bag: .*; refused"):
        imported(copy, "go2_bag")


def test_a_bag_whose_file_was_renamed_is_read_and_noted(tmp_path: Path, bag: Path):
    copy = Path(shutil.copytree(bag, tmp_path / "go2"))
    next(copy.glob("*.db3")).rename(copy / "other.db3")
    assert [finding.kind for finding in imported(copy, "go2_bag").header.findings] == ["other"]
    shutil.copy(copy / "other.db3", copy / "second.db3")
    with pytest.raises(TraceError, match=r"bag files there: other\.db3, second\.db3"):
        imported(copy, "go2_bag")


def test_topics_whose_clocks_do_not_agree_are_refused(tmp_path: Path):
    def shifted() -> Iterator[tuple[int, str, str, Any]]:
        for stamp, topic, kind, content in low_states(100):
            yield stamp + (3600 * 10**9 if topic == "/lowcmd" else 0), topic, kind, content

    ordered = iter(sorted(shifted(), key=lambda item: item[0]))
    with pytest.raises(TraceError, match=r"offset: /lowcmd: 0\.0% of the samples .* do the clocks agree\?"):
        imported(write_bag(tmp_path / "bag", ordered), "go2_bag")


_MEMORY = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
import log_cases
from surefoot.traces import trace_file
trace_file.ROWS_PER_GROUP = 4096  # both logs have many groups
# Not ru_maxrss, which begins at the size of the process that started this one.
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
log_cases.imported(Path(sys.argv[1]) / "small", "go2_bag")
small = peak()
from surefoot.traces.importer import import_trace
folder = Path(sys.argv[1])
import_trace(folder / "big", folder / "big.parquet", log_cases.profile("go2_bag"), log_cases.ORDERS)
print(peak() - small)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no /proc to read the peak of memory from")
def test_memory_does_not_grow_with_the_bag(tmp_path: Path):
    """Importing 80,000 messages (160 MB) takes at most 40 MB more than importing 16,000."""
    from rosbags.rosbag2 import Writer

    blobs = [(topic, kind, bytes(STORE.serialize_cdr(content, kind))) for _, topic, kind, content in low_states(1)]
    for name, count in (("small", 8_000), ("big", 40_000)):
        with Writer(tmp_path / name, version=9) as writer:
            connections = {topic: writer.add_connection(topic, kind, typestore=STORE) for topic, kind, _ in blobs}
            extra = writer.add_connection("/camera", "std_msgs/msg/String", typestore=STORE)
            for at in range(count):
                for topic, _, blob in blobs:
                    writer.write(connections[topic], int(stamps(1)[0]) + at * 2_000_000, blob)
                if at % 10 == 0:
                    writer.write(extra, int(stamps(1)[0]) + at * 2_000_000, b"\0" * 20_000)
    size = sum(file.stat().st_size for file in (tmp_path / "big").iterdir())
    assert size > 150e6
    script = _MEMORY.format(paths=[str(Path(__file__).parent)])
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 40_000, f"{int(done.stdout) / 1000:.0f} MB"


def test_every_failure_is_one_of_ours(tmp_path: Path, bag: Path):
    """Flipped bytes anywhere in a bag give a trace or a SurefootError, nothing else."""
    rng = np.random.default_rng(0)
    content = next(bag.glob("*.db3")).read_bytes()
    outcomes = []
    for case in range(30):
        folder = Path(shutil.copytree(bag, tmp_path / str(case)))
        damaged = bytearray(content)
        for at in rng.integers(0, len(damaged), 20):
            damaged[at] = int(rng.integers(0, 256))
        if case % 3 == 0:
            damaged[100:4000] = rng.bytes(3900)
        next(folder.glob("*.db3")).write_bytes(bytes(damaged))
        try:
            imported(folder, "go2_bag", accept=["units", "norm", "backward"])
            outcomes.append("read")
        except SurefootError:
            outcomes.append("refused")
    assert set(outcomes) == {"read", "refused"}


def test_messages_of_another_version_of_the_type_are_refused(tmp_path: Path):
    """A db3 without definitions: longer messages begin as ours do, and mean something else. Padding is none."""
    for extra in (3, 20):
        with Writer(tmp_path / f"bag{extra}", version=8) as writer:
            connection = writer.add_connection("/lowstate", "unitree_go/msg/LowState", typestore=STORE)
            for stamp, topic, kind, content in low_states(5):
                if topic == "/lowstate":
                    writer.write(connection, stamp, bytes(STORE.serialize_cdr(content, kind)) + bytes(extra))
    assert len(imported(tmp_path / "bag3", "go2_bag").stamp) == 5
    with pytest.raises(TraceError, match=r"message 1: 1200 bytes, a .*/LowState has 1180; of another version"):
        imported(tmp_path / "bag20", "go2_bag")


@pytest.mark.parametrize("first", ["unitree_go/msg/LowState", "unitree_go/msg/LowCmd"])
def test_a_topic_with_messages_of_two_types_is_refused(tmp_path: Path, first: str):
    """Whichever comes first."""
    messages = sorted(low_states(5), key=lambda message: message[2] != first)
    with Writer(tmp_path / "bag", version=9) as writer:
        kinds = dict.fromkeys(kind for _, _, kind, _ in messages)
        connections = {kind: writer.add_connection("/lowstate", kind, typestore=STORE) for kind in kinds}
        for stamp, _, kind, content in messages:
            writer.write(connections[kind], stamp, STORE.serialize_cdr(content, kind))
    with pytest.raises(TraceError, match=r"messages of several definitions \(.*LowCmd, .*LowState\)"):
        imported(tmp_path / "bag", "go2_bag")


def test_a_trace_says_what_was_imported_as_a_card_has_it(tmp_path: Path):
    """A folder is more than the file that is read of it."""
    bag = write_bag(tmp_path / "go2", low_states(20))
    assert imported(bag, "go2_bag").header.log_sha256 == file_sha256(bag)
    (file,) = bag.glob("*.db3")
    assert imported(file, "go2_bag").header.log_sha256 == file_sha256(file) != file_sha256(bag)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE messages RENAME TO kept; CREATE VIEW messages AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL "
        "SELECT x FROM n) SELECT x AS id, 1 AS topic_id, x AS timestamp, zeroblob(9) AS data FROM n",
        "CREATE TRIGGER t AFTER INSERT ON messages BEGIN DELETE FROM topics; END",
        "CREATE TABLE other (a, b AS (a + 1))",
    ],
)
def test_a_database_that_computes_is_refused_before_it_is_asked(tmp_path: Path, statement: str):
    bag = write_bag(tmp_path / "bag", low_states(5))
    with sqlite3.connect(next(bag.glob("*.db3"))) as connection:
        connection.executescript(statement)
    with pytest.raises(TraceError, match="only rows are read"):
        imported(bag, "go2_bag")
