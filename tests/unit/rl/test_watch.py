"""The accounts in a training that somebody else's script does: RSL-RL's runner, with an environment in miniature."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rsl_rl.runners import OnPolicyRunner

import surefoot_tasks
from surefoot.audit.record.record_file import read_record
from surefoot.errors import EngineError, SurefootError
from surefoot.rl import watch
from surefoot.rl.watch_options import WatchOptions, options_from, parse
from surefoot_tasks import audit_config


class Env:
    """Hashable by identity, as Isaac Lab's is, and weakly referenced."""


def miniature() -> Any:
    """The accounts' own test environment; its folder is on the path of the tests."""
    from manager_env import SteppedEnv

    return SteppedEnv()


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A process in which nothing is watched yet, and RSL-RL whose `learn` only steps."""

    def learn(runner: Any, iterations: int, init_at_random_ep_len: bool = False) -> None:
        for _ in range(iterations * runner.cfg["num_steps_per_env"]):
            runner.logs.append(dict(runner.env.step()[-1].get("log", {})))
            if runner.breaks_after is not None and len(runner.logs) == runner.breaks_after:
                raise ValueError("NaN")

    monkeypatch.setattr(OnPolicyRunner, "learn", learn)
    monkeypatch.setattr(watch, "_trainings", watch._Trainings())
    return watch._trainings


def runner(env: Any, log_dir: Path | None, **more: Any) -> Any:
    made = OnPolicyRunner.__new__(OnPolicyRunner)
    made.env, made.cfg, made.logger = env, {"num_steps_per_env": 4}, SimpleNamespace(log_dir=log_dir)
    made.current_learning_iteration, made.gpu_global_rank = 0, 0
    made.logs, made.breaks_after = [], None  # type: ignore[attr-defined]
    for name, value in more.items():
        setattr(made, name, value)
    return made


def options(**more: Any) -> WatchOptions:
    return WatchOptions(audit_config(), **more)


def test_every_iteration_is_kept_beside_the_logs_and_in_them(trainings: Any, tmp_path: Path, capsys: Any) -> None:
    watch.follow_everything(options())
    made = runner(miniature(), tmp_path / "logs")
    made.learn(3)
    assert read_record(tmp_path / "logs").iteration.tolist() == [1, 2, 3]
    tags = [index for index, log in enumerate(made.logs) if "Reward/steps" in log]
    assert tags == [3, 7, 11] and made.logs[3]["Reward/steps"] == 16
    assert f"accounts of every iteration: {tmp_path}/logs/accounts.parquet" in capsys.readouterr().out


def test_a_training_that_breaks_has_its_accounts(trainings: Any, tmp_path: Path) -> None:
    watch.follow_everything(options())
    with pytest.raises(ValueError, match="NaN"):
        runner(miniature(), tmp_path, breaks_after=14).learn(9)
    assert read_record(tmp_path).iteration.tolist() == [1, 2, 3]


def test_learning_goes_on_with_the_same_accounts(trainings: Any, tmp_path: Path) -> None:
    watch.follow_everything(options(scalars=False))
    made = runner(miniature(), tmp_path, breaks_after=6)
    with pytest.raises(ValueError, match="NaN"):
        made.learn(2)
    made.breaks_after = None
    made.learn(2)
    record = read_record(tmp_path)
    assert record.iteration.tolist() == [1, 2, 3]
    assert record.values["reward/steps"].tolist() == [16, 24, 16], "the broken iteration's steps are in the next"
    assert not any("Reward/steps" in log for log in made.logs)


def test_a_resumed_training_counts_on(trainings: Any, tmp_path: Path) -> None:
    watch.follow_everything(options())
    runner(miniature(), tmp_path, current_learning_iteration=50).learn(2)
    assert read_record(tmp_path).iteration.tolist() == [51, 52]


def test_each_process_of_a_distributed_training_has_a_folder(trainings: Any, tmp_path: Path) -> None:
    watch.follow_everything(options())
    runner(miniature(), tmp_path, gpu_global_rank=2).learn(1)
    assert read_record(tmp_path / "rank_2").iteration.tolist() == [1]


def test_the_folder_may_be_chosen_and_must_be_new(trainings: Any, tmp_path: Path) -> None:
    watch.follow_everything(options(folder=tmp_path / "mine"))
    runner(miniature(), None).learn(1)
    assert read_record(tmp_path / "mine").iteration.tolist() == [1]
    with pytest.raises(SurefootError, match="Choose another folder"):
        runner(miniature(), None).learn(1)


def test_without_a_folder_nothing_is_kept_and_that_is_said(trainings: Any, capsys: Any) -> None:
    watch.follow_everything(options())
    made = runner(miniature(), None)
    made.learn(1)
    assert "Reward/steps" in made.logs[3] and "not kept" in capsys.readouterr().out


def test_without_the_flag_nothing_is_watched(trainings: Any, tmp_path: Path) -> None:
    watch.follow_our_tasks()
    made = runner(miniature(), tmp_path)
    made.learn(1)
    assert not any(tmp_path.iterdir()) and made.logs == [{}] * 4


def test_a_direct_environment_trains_without_accounts_and_that_is_said(
    trainings: Any, tmp_path: Path, capsys: Any
) -> None:
    watch.follow_everything(options())
    env = Env()
    env.step = lambda: (None, {})  # type: ignore[attr-defined]
    runner(env, tmp_path).learn(1)
    assert "Env has no reward_manager" in capsys.readouterr().out


def test_a_refusal_from_the_shell_is_one_line(trainings: Any, tmp_path: Path) -> None:
    watch.follow_everything(options(robot="dog", from_shell=True))
    with pytest.raises(SystemExit, match=r"^error: The scene has no 'dog'"):
        runner(miniature(), tmp_path).learn(1)


def test_alerts_are_shown(trainings: Any, tmp_path: Path, capsys: Any) -> None:
    watch.follow_everything(options())
    env = miniature()
    env.height[1] = torch.nan
    runner(env, tmp_path).learn(1)
    assert "! fault (reward) in iteration 1: 4 environment steps" in capsys.readouterr().out


def test_options_are_taken_from_the_command_line_and_the_rest_is_left() -> None:
    plain, rest = parse(["--task", "X", "watch.buckets=events", "env.scene.num_envs=4", "watch.bucket_by=mass,terrain"])
    assert rest == ["--task", "X", "env.scene.num_envs=4"]
    chosen = options_from(plain, audit_config())
    assert (chosen.buckets, chosen.bucket_by, chosen.scalars, chosen.folder) == (
        "events",
        ("mass", "terrain"),
        True,
        None,
    )
    more = options_from({"scalars": "false", "folder": "a/b", "robot": "dog", "command": "go"}, audit_config())
    assert not more.scalars and more.folder == Path("a/b").absolute() and (more.robot, more.command) == ("dog", "go")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("watch.bucket=events", "Did you mean 'buckets'"),
        ("watch.buckets", "expected one watch.buckets=VALUE"),
        ("watch.buckets=event", "Did you mean 'events'"),
        ("watch.scalars=no", "true"),
        ("watch.bucket_by=mass", "say watch.buckets=events too"),
        ("watch.audit=/nowhere.yaml", "cannot be read"),
    ],
)
def test_a_wrong_option_ends_the_program_with_one_line(
    trainings: Any, monkeypatch: pytest.MonkeyPatch, argument: str, message: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["isaaclab", "train", argument])
    with pytest.raises(SystemExit, match=message) as caught:
        surefoot_tasks.watch()
    assert str(caught.value).startswith("error: ") and "\n" not in str(caught.value)


def test_the_callback_hands_back_what_is_not_its_own(trainings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["isaaclab", "train", "watch.scalars=false", "agent.seed=3"])
    assert surefoot_tasks.watch() == ["train", "agent.seed=3"]
    assert trainings.options is not None and not trainings.options.scalars
    monkeypatch.setattr(sys, "argv", ["isaaclab", "train", "agent.seed=3"])
    assert surefoot_tasks.watch() is None, "Isaac Lab then leaves its arguments alone"
    with pytest.raises(EngineError, match="expected one"):
        parse(["watch.robot=a", "watch.robot=b"])
