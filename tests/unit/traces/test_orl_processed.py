"""Profile `go2_orl_processed`: which column is which, of files without header lines."""

from pathlib import Path

import numpy as np

from log_cases import imported


def write(folder: Path, name: str, rows: np.ndarray) -> None:
    np.savetxt(folder / f"{name}_history.csv", rows, delimiter=",")


def test_columns_without_names_are_the_signals_that_they_are(tmp_path: Path):
    """Ten rows; each block of columns has its own constant, the first joint one of its own."""
    log = tmp_path / "log"
    log.mkdir()
    t = np.arange(10) * 0.02

    def block(*values: float) -> np.ndarray:
        columns = np.concatenate([np.full(12, value) for value in values])
        columns[::12] += 0.25  # FR_hip
        return np.column_stack([t, np.tile(columns, (10, 1))])

    write(log, "state", block(0.1, 1.0, 3.0, 50.0))  # q, dq, tau, ddq
    write(log, "command", block(0.2, 0.0, 0.0))
    write(log, "imu", np.column_stack([t, np.tile([1, 0, 0, 0, 0.01, 0.02, 0.03, 0.1, 0.2, 9.8], (10, 1))]))
    write(log, "policy_command", np.column_stack([t, np.tile([0.5, -0.1, 0.3], (10, 1))]))
    trace = imported(log, "go2_orl_processed")
    for signal, value in (("q", 0.1), ("dq", 1.0), ("tau", 3.0), ("q_des", 0.2)):
        rows = trace.signals[signal]
        np.testing.assert_allclose(rows, np.tile([value + 0.25, *[value] * 11], (10, 1)), err_msg=signal)
    np.testing.assert_allclose(trace.signals["gyro"][3], [0.01, 0.02, 0.03])
    np.testing.assert_allclose(trace.signals["acc"][3], [0.1, 0.2, 9.8])
    np.testing.assert_allclose(trace.signals["command"][3], [0.5, -0.1, 0.3])
    assert np.diff(trace.stamp).tolist() == [20_000_000] * 9
