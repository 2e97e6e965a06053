"""Tables become traces by name and in SI units; damage is named with row and column, and nothing is written."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from log_cases import JOINT_SIGNALS, ORDERS, changed_profile, imported, joint_values, stamps, write_table
from surefoot.errors import TraceError
from trace_cases import JOINTS

NUM = 400


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """A log in the simplest format."""
    return write_table(tmp_path / "log.csv", stamps(NUM), joint_values(NUM))


def edit(path: Path, row: int, old: str, new: str) -> None:
    """Change a row of the table, counted from 1."""
    lines = path.read_text().splitlines()
    assert old in lines[row]
    lines[row] = lines[row].replace(old, new, 1)
    path.write_text("\n".join(lines) + "\n")


def test_a_csv_comes_through(csv: Path):
    trace = imported(csv, "go2_columns")
    assert np.array_equal(trace.stamp, stamps(NUM))
    for name, values in joint_values(NUM).items():
        assert np.array_equal(trace.get(name, JOINTS), values)
    assert trace.header.findings == ()
    assert trace.header.rates_hz == {"log": 500.0}
    assert trace.header.signals["q"].source == "log: q_{joint} [rad]"


@pytest.mark.parametrize("order", [name for name, order in ORDERS.orders.items() if order.robot == "unitree_go2"])
def test_the_order_of_columns_does_not_matter(tmp_path: Path, order: str):
    path = write_table(tmp_path / "log.csv", stamps(20), joint_values(20), ORDERS.get(order).joints)
    trace = imported(path, "go2_columns")
    assert trace.header.joints == ORDERS.get("unitree_sdk_go2").joints
    assert np.array_equal(trace.get("tau", JOINTS), joint_values(20)["tau"])


@pytest.mark.parametrize("kind", ["npz", "parquet"])
@pytest.mark.parametrize("order", ["isaaclab_go2", "menagerie_go2"])
def test_arrays_are_mapped_by_their_declared_order(tmp_path: Path, kind: str, order: str):
    values = joint_values(50)
    moved = [JOINTS.index(joint) for joint in ORDERS.get(order).joints]
    arrays = {name: part[:, moved] for name, part in values.items()}
    path = tmp_path / f"log.{kind}"
    if kind == "npz":
        np.savez_compressed(path, stamp_ns=stamps(50), **arrays)
    else:
        lists = {name: pa.array(list(part)) for name, part in arrays.items()}
        pq.write_table(pa.table({"stamp_ns": stamps(50), **lists}), path)

    def declare(plain: dict) -> None:
        for source in plain["topics"]["log"]["signals"].values():
            source["order"] = order

    trace = imported(path, changed_profile(tmp_path, "go2_arrays", declare))
    for name, part in values.items():
        assert np.array_equal(trace.get(name, JOINTS), part)


def test_units_and_sentinels_are_converted(tmp_path: Path):
    values = joint_values(30)
    logged = {name: np.rad2deg(part) if name == "q" else part for name, part in values.items()}
    logged["q_des"][3, 4] = 2.146e9
    path = write_table(tmp_path / "log.csv", stamps(30), logged)

    def declare(plain: dict) -> None:
        plain["sentinels"] = [2146000000.0]
        plain["topics"]["log"]["signals"]["q"]["unit"] = "deg"

    trace = imported(path, changed_profile(tmp_path, "go2_columns", declare))
    assert trace.get("q") == pytest.approx(values["q"], abs=1e-12)
    assert np.argwhere(np.isnan(trace.get("q_des"))).tolist() == [[3, 4]]
    assert trace.header.signals["q_des"].valid == 29 / 30


def test_missing_cells_are_nan(tmp_path: Path):
    values = joint_values(10)
    values["tau"][2, 5] = np.nan
    trace = imported(write_table(tmp_path / "log.csv", stamps(10), values, missing="nan"), "go2_columns")
    assert np.argwhere(np.isnan(trace.get("tau"))).tolist() == [[2, 5]]


def test_degrees_taken_for_radians_are_refused_with_row_and_column(tmp_path: Path):
    values = joint_values(100)
    values["q"] = values["q"] * 0.1
    values["q"][7:, 3] = 51.0
    path = write_table(tmp_path / "log.csv", stamps(100), values)
    with pytest.raises(
        TraceError, match=r"units: log\.csv, column q/FL_hip_joint, row 8: 51 rad in signal q.*is the log in deg\?"
    ):
        imported(path, "go2_columns")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log.csv"]
    assert imported(path, "go2_columns", accept=["units"]).header.findings[0].severity == "refusal"


def test_a_single_outlier_is_flagged_and_kept(csv: Path):
    edit(csv, 200, csv.read_text().splitlines()[200].split(",")[1], "99")
    trace = imported(csv, "go2_columns")
    assert [(f.kind, f.severity, f.row, f.column) for f in trace.header.findings] == [
        ("units", "warning", 200, "q/FR_hip_joint")
    ]
    assert trace.get("q")[199, 0] == 99


@pytest.mark.parametrize("row", [1, 250, NUM])
def test_a_cell_that_is_no_number_is_named(csv: Path, row: int):
    edit(csv, row, csv.read_text().splitlines()[row].split(",")[2], "abc")
    with pytest.raises(TraceError, match=rf"column q_FR_thigh_joint, row {row}: .*'abc'"):
        imported(csv, "go2_columns")


def test_a_row_that_was_cut_off_is_named(csv: Path):
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join([*lines[:-1], lines[-1][:100]]) + "\n")
    with pytest.raises(TraceError, match=rf"row {NUM}: .*Expected 49 columns"):
        imported(csv, "go2_columns")


def test_a_misspelt_column_is_named_with_the_nearest(csv: Path):
    csv.write_text(csv.read_text().replace("q_des_FR_hip_joint", "q_des_FR_hp_joint", 1))
    with pytest.raises(TraceError, match=r"'q_des_FR_hip_joint' not found\. Did you mean 'q_des_FR_hp_joint'\?"):
        imported(csv, "go2_columns")


def test_a_clock_that_steps_back_is_refused_with_its_row(csv: Path):
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join([*lines[:101], *lines[51:]]) + "\n")  # after row 100 comes row 51
    with pytest.raises(
        TraceError, match=r"backward: log, column stamp_ns, row 101: the clock steps back, by up to 0\.098"
    ):
        imported(csv, "go2_columns")
    trace = imported(csv, "go2_columns", accept=["backward"])
    assert np.array_equal(trace.stamp, stamps(NUM))


def test_duplicates_and_gaps_are_counted(csv: Path):
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join([*lines[:11], lines[10], *lines[11:101], *lines[151:]]) + "\n")
    found = {finding.kind: finding for finding in imported(csv, "go2_columns").header.findings}
    assert (found["duplicate"].row, found["duplicate"].count) == (11, 1)
    assert found["gap"].row == 102 and "longest 0.102 s" in found["gap"].message


def test_pickles_are_never_loaded(tmp_path: Path):
    touched = tmp_path / "touched"

    class Trap:
        def __reduce__(self):
            return (touched.touch, ())

    np.savez(tmp_path / "log.npz", stamp_ns=stamps(3), q=np.array([Trap()] * 3, dtype=object))
    with pytest.raises(TraceError, match="column 'dq' not found"):
        imported(tmp_path / "log.npz", "go2_arrays")
    arrays = {name: np.array([Trap()] * 3, dtype=object) for name in JOINT_SIGNALS}
    np.savez(tmp_path / "log.npz", stamp_ns=stamps(3), **arrays)
    with pytest.raises(TraceError, match="holds pickled objects"):
        imported(tmp_path / "log.npz", "go2_arrays")
    (tmp_path / "log.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(TraceError, match="loading a pickle can run code; refused"):
        imported(tmp_path / "log.pkl", "go2_arrays")
    assert not touched.exists()


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path):
    values = joint_values(10)
    np.savez(tmp_path / "log.npz", stamp_ns=stamps(10), **{**values, "tau": values["tau"][:, :9]})
    with pytest.raises(TraceError, match=r"tau has shape \(9,\), signal 'tau' needs 12 elements"):
        imported(tmp_path / "log.npz", "go2_arrays")
    np.savez(tmp_path / "log.npz", stamp_ns=stamps(10), **{**values, "tau": values["tau"][:9]})
    with pytest.raises(TraceError, match="arrays of different lengths"):
        imported(tmp_path / "log.npz", "go2_arrays")
    (tmp_path / "log.npz").write_bytes(b"PK but no zip")
    with pytest.raises(TraceError, match="corrupt, or not an NPZ"):
        imported(tmp_path / "log.npz", "go2_arrays")


@pytest.mark.parametrize(("name", "content", "message"), [
    ("log.csv", b"", "empty"),
    ("log.csv", b"\xff\xfe\x00t", "cannot be read as CSV"),
    ("log.parquet", b"PAR1", "corrupt, or not Parquet"),
    ("log.doc", b"x", "expected a file ending in"),
])  # fmt: skip
def test_what_is_no_log_is_refused(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TraceError, match=message):
        imported(tmp_path / name, "go2_columns")


def test_a_missing_stamp_is_named(csv: Path):
    edit(csv, 33, csv.read_text().splitlines()[33].split(",")[0], "")
    with pytest.raises(TraceError, match=r"column stamp_ns, row 33: a stamp is missing"):
        imported(csv, "go2_columns")


def test_an_absent_log_and_an_unknown_kind(tmp_path: Path, csv: Path):
    with pytest.raises(TraceError, match="no such file"):
        imported(tmp_path / "none.csv", "go2_columns")
    with pytest.raises(TraceError, match=r"accept: 'unit' is no kind of finding. Did you mean 'units'"):
        imported(csv, "go2_columns", accept=["unit"])


def test_what_could_be_read_in_two_ways_is_refused(tmp_path: Path, csv: Path):
    lines = csv.read_text().splitlines()
    (tmp_path / "twice.csv").write_text("\n".join([lines[0] + ",q_FR_hip_joint", *(line + ",9" for line in lines[1:])]))
    with pytest.raises(TraceError, match="2 columns are named 'q_FR_hip_joint'"):
        imported(tmp_path / "twice.csv", "go2_columns")
    arrays: dict[str, Any] = {"stamp_ns": stamps(50), **joint_values(50)}
    np.savez(tmp_path / "log.npz", **arrays | {"q": arrays["q"] * (1 + 1j)})
    with pytest.raises(TraceError, match="'q' holds complex128"):
        imported(tmp_path / "log.npz", "go2_arrays")
    in_seconds = changed_profile(
        tmp_path, "go2_arrays", lambda plain: plain["topics"]["log"]["stamp"].update(unit="s", field="t")
    )
    np.savez(
        tmp_path / "log.npz", t=(stamps(50) * 1e-9).astype(np.float32), **joint_values(50)
    )  # equal, or 128 s apart
    with pytest.raises(TraceError, match=r"duplicate: .* row 2: .* stamps of single precision\?"):
        imported(tmp_path / "log.npz", in_seconds)


def test_a_list_that_is_missing_does_not_move_the_ones_after_it(tmp_path: Path):
    """Four lists of 20, one of them null, hold as many numbers as four lists of 15."""
    lists = {name: pa.array(list(part), pa.list_(pa.float64(), 12)) for name, part in joint_values(4).items()}
    holed = pa.array([[0.1] * 20, None, [0.2] * 20, [0.3] * 20], pa.list_(pa.float64(), 20))
    pq.write_table(pa.table({"stamp_ns": stamps(4), **lists, "q": holed}), tmp_path / "log.parquet")
    with pytest.raises(TraceError, match="column q, row 2: no list at all"):
        imported(tmp_path / "log.parquet", "go2_arrays")
