"""The floor of an engine is measured: nothing on the engine that wrote the log."""

from pathlib import Path

import pytest

from cases import manifest
from surefoot.errors import TraceError
from surefoot.machine import Machine
from surefoot.replay.floor import measure_floor, write_floor_log, writer_of
from surefoot.traces import Trace, read_trace, write_trace


def test_a_log_on_its_own_engine_leaves_single_precision_and_one_with_other_physics_more(tmp_path: Path) -> None:
    """The lean contact model stands for another engine: feet roll and slip differently."""
    task = manifest("simulation=full")
    write_trace(tmp_path / "log.parquet", write_floor_log(task, Machine()))
    log = read_trace(tmp_path / "log.parquet")
    assert writer_of(log.header) == "mujoco"
    floor = measure_floor(log, task, Machine(), measured="a test")
    assert (floor.robot, floor.writer, floor.engine, floor.windows) == ("unitree_go1", "mujoco", "mujoco", 5)
    assert set(floor.scores) == {"actuator", "open_loop", "torque"} and max(floor.scores.values()) < 1e-5

    other = measure_floor(log, manifest(), Machine(), measured="a test", modes=("open_loop",))
    assert 0.001 < other.scores["open_loop"] < 0.5

    robot = Trace(log.header.model_copy(update={"engine": ""}), log.stamp, log.signals, log.path)
    assert writer_of(robot.header) == "mujoco"
    with pytest.raises(TraceError, match="a floor needs a log that an engine wrote"):
        measure_floor(robot, task, Machine(), measured="a test")
