"""The command line: what each word means, what wrong ones get, and how soon."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import surefoot
from surefoot import cli, commands
from surefoot.commands.compare import reports
from surefoot.commands.words import one_run, overrides_in
from surefoot.errors import CheckpointError, PanelError, RunFolderError, SurefootError
from surefoot.runs.locate import checkpoint_file, run_folder

GO1 = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `surefoot WORDS`."""
    code = 0
    try:
        cli.run(lambda: commands.main(words))
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, name, "--help")
    assert code == 0
    assert re.search(rf"surefoot {name}\b", out.split("options:")[0].replace(f"usage: surefoot {name}", ""))


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, "--help")
    assert code == 0 and all(re.search(rf"^  {name} ", out, re.M) for name in commands.COMMANDS)
    assert outcome(capsys, "--version")[1] == f"surefoot {surefoot.__version__}\n"


def test_underscores_and_dashes_are_one() -> None:
    for option in ("--num-envs", "--num_envs"):
        args = commands.parser_of("train").parse_args([commands._dashed(option), "7"])
        assert args.num_envs == 7
    assert commands._dashed("--num_envs=7") == "--num-envs=7"
    assert commands._dashed("task.rewards.base_height.weight=1") == "task.rewards.base_height.weight=1"


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("trian",), 2, "no command 'trian'. Did you mean 'train'?"),
        (("train", "--num-env5", "3"), 2, "Did you mean --num-envs?"),
        (("train", "--headless"), 2, "leave it out"),
        (("train", "num_envs=64"), 1, "expected --num-envs 64"),
        (("train", "env.scene.num_envs=64"), 1, "expected --num-envs 64"),
        (("train", "agent.max_iterations=5"), 1, "expected --max-iterations 5"),
        (("train", f"task={GO1}"), 1, f"expected --task {GO1}"),
        (("train", GO1), 1, f"or --task {GO1}"),
        (("train", "env.episode_length_s=3"), 1, "surefoot manifest show TASK"),
        (("train", "headless=true"), 1, "leave it out"),
        (("train",), 1, "surefoot tasks lists them"),
        (("train", "--task", f"{GO1[:-1]}7"), 1, f"Did you mean '{GO1}'?"),
        (("train", "--task", GO1, "task.rewards.torques=-0.001"), 1, "task.rewards.torques.weight=-0.001"),
        (("play",), 1, "Expected one policy to play, none was named"),
        (("play", "latest"), 1, "no run in"),
    ],
)
def test_wrong_words_are_told_the_way_out(
    words: tuple[str, ...],
    code: int,
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = outcome(capsys, *words)
    assert (got, out) == (code, "")
    assert expected in err


def test_what_is_right_here_is_left_alone() -> None:
    parser = commands.parser_of("train")
    words = ["seed=2", "task=velocity_rough", "training.num_envs=3", "~task.rewards.torques", "simulation=full"]
    assert overrides_in(words, parser) == words
    assert one_run(None, ["latest", "simulation=full"], "policy") == (Path("latest"), ["simulation=full"])
    with pytest.raises(SurefootError, match="got 2 names"):
        one_run(None, ["latest", "newest"], "policy")


def test_a_run_is_its_folder_a_checkpoint_or_latest(tmp_path: Path) -> None:
    old, new = tmp_path / "runs" / "Task-v0" / "a", tmp_path / "runs" / "Task-v0" / "b"
    for age, folder in ((100, old), (0, new)):
        folder.mkdir(parents=True)
        for name in ("model_2.pt", "model_10.pt", "manifest.yaml", "model_best.pt"):
            (folder / name).touch()
            os.utime(folder / name, (1e9 - age, 1e9 - age))
    runs = tmp_path / "runs"
    assert run_folder(Path("latest"), runs) == new == run_folder(new / "model_2.pt") == run_folder(runs / "Task-v0")
    assert checkpoint_file(Path("latest"), runs) == new / "model_10.pt" == checkpoint_file(new)
    assert checkpoint_file(old / "model_2.pt") == old / "model_2.pt"
    with pytest.raises(RunFolderError, match="Did you mean 'a'"):
        run_folder(runs / "Task-v0" / "aa")
    (tmp_path / "runs" / "foreign").mkdir()
    (tmp_path / "runs" / "foreign" / "accounts.parquet").touch()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint_file(tmp_path / "runs" / "foreign")
    with pytest.raises(RunFolderError, match="no run in"):
        run_folder(Path("latest"), tmp_path / "nowhere")


def test_no_message_names_a_file_that_a_wheel_does_not_bring() -> None:
    folder = Path(surefoot.__file__).parent
    texts = {path: path.read_text() for path in folder.rglob("*.py")}
    assert len(texts) > 300
    assert [path for path, text in texts.items() if re.search(r"\bscripts/\w+\.py", text)] == []


def test_help_a_list_of_tasks_and_a_wrong_name_come_at_once() -> None:
    """CPU seconds, so that a busy machine changes little: 0.04, 0.4 and 0.4 on an idle one."""
    for words, limit in ((["--help"], 0.3), (["tasks"], 1.0), (["train", "--task", "nothing"], 1.0)):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "surefoot", *words], capture_output=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < limit, words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, "completion", shell)
    assert code == 0 and "replay-faults" in out and "num-envs" in out and "surefoot tasks --names" in out
    if shell == "bash":
        script = f"{out}\nCOMP_WORDS=(surefoot train --num); COMP_CWORD=2; _surefoot; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        assert done.stdout == "--num-envs\n", done.stderr


def test_runs_are_compared_under_the_newest_panel_that_both_have(tmp_path: Path) -> None:
    files = {"a": ("quick_v1", 1), "a2": ("quick_v1", 2), "b": ("own_v1", 3), "c": ("quick_v1", 1)}
    for name, (panel, age) in files.items():
        run = tmp_path / name[0].replace("b", "a")
        run.mkdir(exist_ok=True)
        path = run / f"panel_{panel}_{age}.json"
        path.write_text(f'{{"panel": "{panel}"}}')
        os.utime(path, (1e9 + age, 1e9 + age))
    a, c = tmp_path / "a", tmp_path / "c"
    (a / "panel_torn_1.json").write_text("{")
    assert reports(a, c, None) == (a / "panel_quick_v1_2.json", c / "panel_quick_v1_1.json")
    assert reports(a, c / "panel_quick_v1_1.json", "own_v1") == (a / "panel_own_v1_3.json", c / "panel_quick_v1_1.json")
    assert reports(Path("x.json"), Path("y.json"), None) == (Path("x.json"), Path("y.json"))
    with pytest.raises(PanelError, match=r"of panel 'own_v1'; there are .*a: own_v1, quick_v1; .*c: quick_v1"):
        reports(a, c, "own_v1")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "manifest.yaml").touch()
    with pytest.raises(PanelError, match="no report of a panel in this run"):
        reports(a, tmp_path / "d", None)
