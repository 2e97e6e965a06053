"""A log that the engine wrote itself: replayed, nothing is left of the gap, and what was changed is found."""

from typing import Any

import numpy as np
import pytest

from cases import manifest
from own_logs import STILL, logs_of, task, trot
from surefoot.engines.base import load_engine
from surefoot.errors import TraceError
from surefoot.replay import plots
from surefoot.replay.base_motion import base_motion
from surefoot.replay.gap_report import text, to_plain
from surefoot.replay.replay_modes import Mode
from surefoot.replay.trace_run import bucket_conditions, bucket_values, replay_manifest, run_replay
from surefoot.traces import Trace, read_card
from surefoot.traces.header import SourceFile
from surefoot_tasks import manifest_root


@pytest.mark.parametrize(
    ("factor", "edges", "planted", "sway"),
    [
        ("payload_mass", "[-1,0,1,2,3]", [-0.6, 0.3, 1.5, 2.8], 0.0),
        ("stiffness", "[0.7,0.9,1.1,1.3]", [0.75, 1.04, 1.2], 0.0),
        ("damping", "[0.4,0.8,1.2,1.6]", [0.5, 0.95, 1.5], 0.0),
        ("friction", "[0.2,0.4,0.6,0.8]", [0.25, 0.5, 0.7], 0.35),
        ("control_delay", "[0,1,2,3,4]", [0, 1, 2, 3], 0.0),
    ],
)
def test_a_planted_change_is_explained_by_its_bucket(
    factor: str, edges: str, planted: list[float], sway: float
) -> None:
    """Values anywhere inside the intervals, buckets at their middles."""
    changed = task(factor, edges)
    bounds = np.array([float(edge) for edge in edges.strip("[]").split(",")])
    logs = logs_of(changed, trot(changed, sway=sway), **{factor: planted})
    for value, log in zip(planted, logs, strict=True):
        result = run_replay(log, changed, mode="open_loop", horizon=0.2)
        (evidence,) = result.evidence.factors
        assert evidence.best == np.searchsorted(bounds, value, side="right") - 1
        assert evidence.identified


def test_targets_that_were_in_force_before_their_stamps() -> None:
    """A log that has its targets two physics steps late: 10 ms of lead, and nothing is left of the gap."""
    payload = task("payload_mass", "[-1,1,3]")
    (log,) = logs_of(payload, trot(payload), payload_mass=[2.0])
    late = Trace(
        log.header, log.stamp, dict(log.signals) | {"q_des": np.roll(log.signals["q_des"], 2, axis=0)}, log.path
    )
    led, as_it_is = (run_replay(late, payload, mode="open_loop", horizon=0.2, lead=lead) for lead in (0.01, 0.0))
    assert np.sqrt(led.gap.window[1, :-1]).max() < 1e-5  # the log ends before the last targets of the last window
    assert np.sqrt(as_it_is.gap.window[1, :-1]).min() > 0.02
    assert "commands taken to be in force 10 ms before their stamps" in text(to_plain(led))
    with pytest.raises(TraceError, match=r"lead: expected at most 0\.1 s either way, got 5 s"):
        run_replay(late, payload, mode="open_loop", lead=5.0)


def test_a_log_without_orientation_is_taken_to_be_level_and_says_so() -> None:
    """A robot that stands; gravity and gyro are not compared then."""
    standing = task("friction", "[0.8,0.8]")
    targets = np.tile(np.array(standing.robot.default_joint_pos), (300, 1)).astype(np.float32).astype(float)
    (log,) = logs_of(standing, targets, friction=[0.8])
    joints = {name: values for name, values in log.signals.items() if name in ("q", "dq", "tau", "q_des")}
    settled = Trace(log.header, log.stamp, joints, log.path).slice(0.8, 1.5)
    result = run_replay(settled, standing, mode="open_loop", horizon=0.2)
    assert result.base.sources["orientation"] == "nothing: TAKEN to be level" and not result.base.oriented
    assert result.gap.absent == ("gravity", "gyro", "base_lin_vel", "acc")
    assert np.abs(result.replayed.simulated["q"][:, 0] - result.replayed.real["q"]).max() < 0.1  # rad
    assert "gravity, gyro" in text(to_plain(result))


def test_friction_of_feet_that_do_not_slip_is_said_not_to_be_identified() -> None:
    """A robot that holds its pose: any friction above what standing needs explains it."""
    standing = task("friction", "[0.8,1.0,1.2]")
    targets = np.tile(np.array(standing.robot.default_joint_pos), (300, 1)).astype(np.float32).astype(float)
    (log,) = logs_of(standing, targets, friction=[0.9])
    (evidence,) = run_replay(log, standing, mode="open_loop", horizon=0.2).evidence.factors
    assert not evidence.identified and "change the score by" in evidence.reason


def test_swapped_joints_are_seen_in_their_own_rows() -> None:
    """Front left and front right calf exchanged in the log's targets."""
    plain = task("friction", "[0.8,0.8]")
    (log,) = logs_of(plain, trot(plain), friction=[0.8])
    names = list(plain.robot.joint_names)
    left, right = names.index("FL_calf_joint"), names.index("FR_calf_joint")
    log.signals["q_des"][:, [left, right]] = log.signals["q_des"][:, [right, left]]
    error = run_replay(log, plain, mode="actuator", horizon=0.2).gap.nrmse["q"][0]
    assert {left, right} <= set(np.argsort(-error)[:3])  # the hip above them is dragged along
    hind = [names.index("RL_calf_joint"), names.index("RR_calf_joint")]
    assert min(error[left], error[right]) > 5 * error[hind].max()


def test_the_result_does_not_depend_on_how_many_windows_run_at_once() -> None:
    payload = task("payload_mass", "[-1,1,3]")
    (log,) = logs_of(payload, trot(payload), payload_mass=[1.7])
    all_at_once = run_replay(log, payload, mode="open_loop", horizon=0.2)
    two_at_a_time = run_replay(log, payload, mode="open_loop", horizon=0.2, max_envs=4)
    assert np.array_equal(all_at_once.gap.window, two_at_a_time.gap.window)


def test_a_log_without_base_position_is_put_on_its_feet() -> None:
    """Height and velocity from the feet that stand; what was recorded is known."""
    plain = task("friction", "[0.8,0.8]")
    (log,) = logs_of(plain, trot(plain), friction=[0.8])
    known = {name: log.signals[name] for name in ("base_pos_w", "base_lin_vel_w")}
    for name in known:
        del log.signals[name]  # pyright: ignore[reportIndexIssue]
    ready = replay_manifest(plain)
    env = load_engine("mujoco").make_env(
        ready,
        device="cpu",
        evaluation=True,
        single_steps=True,
        conditions=bucket_conditions(bucket_values(ready)[1], windows=1),
    )
    try:
        base = base_motion(log, env)
    finally:
        env.close()
    later = slice(100, None)  # the robot is let down at first
    assert np.abs(base.pos_w[later, 2] - known["base_pos_w"][later, 2]).max() < 0.005
    assert np.abs(base.lin_vel_w - known["base_lin_vel_w"])[later, :2].mean() < 0.05  # m/s; its feet do slip
    assert base.sources["velocity"] == "feet that stand, taken not to slip"


def test_the_report_says_it_in_words() -> None:
    payload = task("payload_mass", "[-1,1,3]")
    (log,) = logs_of(payload, trot(payload), payload_mass=[2.0])
    plain: dict[str, Any] = to_plain(run_replay(log, payload, mode="open_loop", horizon=0.2))
    assert plain["best_bucket"] == "payload_mass 1-3 kg" or "1 to 3" in plain["best_bucket"]
    assert plain["signals"]["q"]["coverage"].keys() == set(payload.robot.joint_names)
    said = text(plain)
    assert "payload_mass: interval 2 of 2" in said and "5 windows of 0.20 s" in said


def test_the_picture_of_pairs_has_each_pair_of_intervals_where_it_belongs() -> None:
    """Rows and columns are the intervals of two factors, the number in a cell is the score of their bucket."""
    factors = "payload_mass: {edges: [-1,1,3], mode: startup}, control_delay: {edges: [0,1,2,3], mode: startup}"
    two = manifest(
        "simulation=full",
        *STILL,
        f"randomization.factors={{{factors}}}",
        "randomization.bucket_by=[payload_mass,control_delay]",
    )
    (log,) = logs_of(two, trot(two), payload_mass=[2.0], control_delay=[1.0])
    result = run_replay(log, two, mode="open_loop", horizon=0.2)
    drawn = plots.pairs(result).axes[0]
    said = {tuple(map(int, cell.get_position())): float(cell.get_text()) for cell in drawn.texts}
    assert (drawn.get_ylabel(), drawn.get_xlabel()) == ("payload_mass", "control_delay")
    assert len(said) == 6 and said[1, 1] == 0.0  # column: delay of 1 step, row: 1 to 3 kg
    assert said[2, 0] == pytest.approx(result.gap.scores[2], abs=5e-4)
    assert np.argmax(drawn.images[0].get_array()) == result.evidence.best == 4


def test_refusals_before_a_simulator_starts() -> None:
    plain = task("friction", "[0.8,0.8]")
    (log,) = logs_of(plain, trot(plain, seconds=0.4), friction=[0.8])
    other = Trace(log.header.model_copy(update={"robot": "unitree_go2"}), log.stamp, log.signals, log.path)
    with pytest.raises(TraceError, match=r"a trace of robot 'unitree_go2', but the task is for 'unitree_go1'"):
        run_replay(other, plain, mode="open_loop")
    without = Trace(
        log.header, log.stamp, {name: value for name, value in log.signals.items() if name != "tau"}, log.path
    )
    with pytest.raises(TraceError, match="mode torque needs q, dq, tau; missing: tau"):
        run_replay(without, plain, mode="torque")
    with pytest.raises(TraceError, match="horizon: expected more than 0 s, got -1 s"):
        run_replay(log, plain, mode="open_loop", horizon=-1.0)
    source = SourceFile(name="mine.csv", bytes=1, sha256="0" * 64)
    mine = Trace(log.header.model_copy(update={"sources": (source,)}), log.stamp, log.signals, log.path)
    card = read_card(manifest_root() / "traces" / "cards" / "go2_orl_test_1_500hz.yaml")
    with pytest.raises(
        TraceError, match=r"imported from mine\.csv, but card 'go2_orl_test_1_500hz' is of go2_orl_test"
    ):
        run_replay(mine, plain, mode="open_loop", card=card)


def test_recorded_torques_are_the_same_whatever_stiffness_a_bucket_has() -> None:
    gains = task("stiffness", "[0.8,1.2,1.6]")
    (log,) = logs_of(gains, trot(gains), stiffness=[1.0])
    assert (run_replay(log, gains, mode="torque", horizon=0.2).gap.scores < 1e-5).all()


@pytest.mark.parametrize("mode", ["actuator", "open_loop"])
def test_a_sample_that_the_base_lacks_costs_its_window_and_nothing_else(mode: Mode) -> None:
    """Of the log that the engine wrote: what is left replays exactly."""
    plain = task("friction", "[0.8,0.8]")
    (log,) = logs_of(plain, trot(plain), friction=[0.8])
    for name in ("tau", "base_pos_w", "base_quat_w", "gyro"):
        values = log.signals[name].copy()
        values[100] = np.nan
        holed = Trace(log.header, log.stamp, {**log.signals, name: values}, log.path)
        result = run_replay(holed, plain, mode=mode, horizon=0.2)
        assert (len(result.windows), result.windows.dropped) == (4, {"missing samples": 1})
        assert result.gap.scores[0] < 1e-5


def test_a_simulation_that_resets_itself_is_broken() -> None:
    """MuJoCo puts a robot whose targets are no numbers of this world back to where it began, and goes on."""
    plain = task("friction", "[0.8,0.8]")
    (log,) = logs_of(plain, trot(plain), friction=[0.8])
    log.signals["q_des"][90] = 1e12
    result = run_replay(log, plain, mode="open_loop", horizon=0.2)
    assert (result.broken, len(result.windows)) == (1, 4) and result.gap.scores[0] < 1e-5
    assert to_plain(result)["dropped"] == {"simulation broke": 1}


def test_soles_are_on_the_ground_and_not_below() -> None:
    """Motion capture of a robot that bobs by 2 cm more than it did: its height is wrong by up to 1 cm either way."""
    plain = task("friction", "[0.8,0.8]")
    targets = np.tile(np.array(plain.robot.default_joint_pos), (200, 1)).astype(np.float32).astype(float)
    (log,) = logs_of(plain, targets, friction=[0.8])
    infos = {name: info.model_copy(update={"origin": "measured"}) for name, info in log.header.signals.items()}
    seen = log.signals["base_pos_w"].copy()
    seen[:, 2] += 0.01 * np.sin(2 * np.pi * 2.0 * log.time)
    shown = Trace(log.header.model_copy(update={"signals": infos}), log.stamp, {**log.signals, "base_pos_w": seen})
    ready = replay_manifest(plain)
    env = load_engine("mujoco").make_env(
        ready,
        device="cpu",
        evaluation=True,
        single_steps=True,
        conditions=bucket_conditions(bucket_values(ready)[1], windows=1),
    )
    try:
        base = base_motion(shown, env)
    finally:
        env.close()
    off = (base.pos_w - log.signals["base_pos_w"])[100:, 2]  # it stands, 1 mm in the ground or so
    assert off.min() > -0.001 and 0.008 < off.max() < 0.012
    assert "lifted where it would be below" in base.sources["position"]


def test_a_log_that_is_slower_than_the_control_is_refused() -> None:
    plain = task("friction", "[0.8,0.8]")
    (log,) = logs_of(plain, trot(plain), friction=[0.8])
    slow = Trace(log.header, log.stamp[::10], {name: values[::10] for name, values in log.signals.items()}, log.path)
    with pytest.raises(TraceError, match="a sample every 50 ms, but the task compares every 20 ms"):
        run_replay(slow, plain, mode="open_loop")
