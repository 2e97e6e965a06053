"""Bags with known content, written by rosbags (rosbag2, sqlite3) and by the mcap package."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mcap_ros2.writer import Writer as McapRos2Writer
from rosbags.rosbag2 import StoragePlugin, Writer

from log_cases import joint_values, stamps
from surefoot.traces.sources.message_types import DEFINITIONS
from surefoot.traces.sources.messages import typestore

STORE = typestore()


def message(kind: str, **given: Any) -> Any:
    """A message with every field zero, but for those given."""
    fields: dict[str, Any] = {}
    for name, (node, detail) in STORE.fielddefs[kind][1]:
        fields[name] = given[name] if name in given else _zero(node, detail)
    return STORE.types[kind](**fields)


def _zero(node: Any, detail: Any) -> Any:
    name = node.name
    if name == "BASE":
        return "" if detail[0] == "string" else 0
    if name == "NAME":
        return message(detail)
    (inner, inner_detail), count = detail
    count = count if name == "ARRAY" else 0
    if inner.name == "BASE":
        return np.zeros(count, dtype=inner_detail[0]) if inner_detail[0] != "string" else []
    return [_zero(inner, inner_detail) for _ in range(count)]


def low_states(count: int, seed: int = 0) -> Iterator[tuple[int, str, str, Any]]:
    """(stamp, topic, type, message) of a Go2: LowState at 500 Hz, LowCmd 0.5 ms before each."""
    values = joint_values(count, seed)
    idle_state, idle_cmd = message("unitree_go/msg/MotorState"), message("unitree_go/msg/MotorCmd")
    for at, stamp in enumerate(stamps(count).tolist()):
        motors = [message("unitree_go/msg/MotorCmd", q=float(q), kp=35.0, kd=0.5) for q in values["q_des"][at]] + [
            idle_cmd
        ] * 8
        yield stamp - 500_000, "/lowcmd", "unitree_go/msg/LowCmd", message("unitree_go/msg/LowCmd", motor_cmd=motors)
        motors = [
            message("unitree_go/msg/MotorState", q=float(q), dq=float(dq), tau_est=float(tau))
            for q, dq, tau in zip(values["q"][at], values["dq"][at], values["tau"][at], strict=True)
        ] + [idle_state] * 8
        imu = message(
            "unitree_go/msg/IMUState", quaternion=np.array([1, 0, 0, 0], np.float32),
            gyroscope=np.array([0.1, 0.2, 0.3], np.float32), accelerometer=np.array([0, 0, 9.8], np.float32),
        )  # fmt: skip
        force = np.array([10, 20, 30, 40], np.int16)
        state = message("unitree_go/msg/LowState", motor_state=motors, imu_state=imu, tick=2 * at, foot_force=force)
        yield stamp, "/lowstate", "unitree_go/msg/LowState", state


def header(stamp: int) -> Any:
    """A std_msgs/Header."""
    time = STORE.types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
    return STORE.types["std_msgs/msg/Header"](stamp=time, frame_id="world")


def write_bag(path: Path, messages: Iterator[tuple[int, str, str, Any]], mcap: bool = False) -> Path:
    """A rosbag2 folder."""
    storage = StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections: dict[str, Any] = {}
        for stamp, topic, kind, content in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], stamp, STORE.serialize_cdr(content, kind))
    return path


def write_mcap(path: Path, messages: Iterator[tuple[int, str, str, Any]]) -> Path:
    """A bare MCAP by the mcap package, with the definitions of the messages in it."""
    with path.open("wb") as file:
        writer = McapRos2Writer(file)
        schemas: dict[str, Any] = {}
        for stamp, topic, kind, content in messages:
            if kind not in schemas:
                schemas[kind] = writer.register_msgdef(kind, _with_parts(kind))
            writer.write_message(topic, schemas[kind], _plain(content), log_time=stamp, publish_time=stamp)
        writer.finish()
    return path


def _plain(value: Any) -> Any:
    """Dicts and lists, as the mcap package takes messages."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__ if name != "__msgtype__"}
    return value


def _with_parts(kind: str) -> str:
    """A definition followed by those that it uses, as ROS 2 writes them into bags."""
    text, _ = STORE.generate_msgdef(kind, ros_version=2)
    assert kind in DEFINITIONS or kind in STORE.fielddefs
    return text
