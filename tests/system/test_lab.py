"""A lab of one's own from `surefoot new` to an evaluated policy, with nothing but commands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import engines_here
import lab_site
import surefoot
from surefoot.engines.new_lab import make_lab
from surefoot.errors import LabError, UnknownName

pytestmark = pytest.mark.skipif("mujoco" not in engines_here.here(), reason="a lab is tried on MuJoCo")

TASK = "MyLab-Velocity-Flat-Dog-v0"
SMALL = ("--num-envs", "32", "--max-iterations", "3", "--threads", "1", "training.save_interval=3")


def command(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """`surefoot WORDS` in `folder`, with the packages of `folder/site` installed."""
    path = os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "surefoot", *map(str, words)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lab, installed, and a run of its task."""
    folder = tmp_path_factory.mktemp("work")
    made = command(folder, "new", "my_lab")
    assert made.returncode == 0, made.stderr
    lab_site.install(folder / "site", "my_lab", folder / "my_lab" / "my_lab")
    done = command(folder, "train", "--task", TASK, *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_run_and_its_checkpoint_record_the_lab(trained: Path) -> None:
    (run,) = (trained / "runs" / TASK).iterdir()
    assert "package: my-lab\n    version: 0.1.0" in (run / "manifest.yaml").read_text()
    assert json.loads((run / "starts.jsonl").read_text())["packages"]["my-lab"] == "0.1.0"
    words = ("--num-envs", "32", "--max-iterations", "4", "--threads", "1", "training.save_interval=3")
    resumed = command(trained, "train", "--resume", "latest", "--allow-manifest-change", *words)
    assert "Finished after 4 iterations" in resumed.stdout, resumed.stderr


def test_its_policy_is_evaluated_exported_and_accounted_for(trained: Path) -> None:
    panel = command(trained, "evaluate", "latest", "--panel", "my_lab_walk_v1", "--threads", "1")
    assert panel.returncode == 0, panel.stderr
    assert "slippery" in panel.stdout and list(trained.glob("runs/*/*/panel_my_lab_walk_v1_*.json"))
    for words in (("export", "latest"), ("accounts", "latest"), ("record", "latest"), ("manifest", "hash", "latest")):
        done = command(trained, *words)
        assert done.returncode == 0, done.stderr
        if words[0] == "record":
            assert "by hand  my_lab_walk_v1 at update" in done.stdout and "NOT EVALUATED" not in done.stdout
    (metadata,) = trained.glob("runs/*/*/exported/*.json")
    assert json.loads(metadata.read_text())["labs"] == {"my_lab": "my-lab 0.1.0"}


def test_its_own_tests_pass(trained: Path) -> None:
    path = os.pathsep.join(filter(None, [str(trained / "site"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=trained / "my_lab",
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_without_the_lab_the_checkpoint_says_what_to_install(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    for words in (("evaluate", "latest"), ("play", "latest", "--frame", "a.png"), ("export", "latest")):
        done = command(tmp_path, *words)
        assert done.returncode == 1
        assert "pip install my-lab==0.1.0" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_mesh_that_is_not_there_is_told_with_file_and_way_out(trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "my_lab"
    shutil.copytree(trained / "my_lab" / "my_lab", copy)
    lab_site.install(tmp_path / "site", "my_lab", copy)
    model = copy / "robots" / "dog" / "dog.xml"
    asset = '<asset><mesh name="hull" file="hull.stl"/></asset>\n  <worldbody>'
    model.write_text(
        model.read_text()
        .replace("<worldbody>", asset)
        .replace('<site name="imu"', '<geom type="mesh" mesh="hull" contype="0" conaffinity="0"/><site name="imu"')
    )
    done = command(tmp_path, "train", "--task", TASK, *SMALL)
    assert done.returncode == 1
    assert f"error: {model}: mesh file 'hull.stl' is not in {model.parent}: copy it there" in done.stderr
    assert done.stderr.count("\n") == 1 and not list(tmp_path.glob("runs/*/*"))


def test_a_lab_of_a_robot_in_a_file_takes_its_meshes_along(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "meshes").mkdir(parents=True)
    simple = Path(surefoot.__file__).parent / "new_lab" / "package" / "robots" / "dog.xml"
    hull = '<asset><mesh name="hull" file="hull.obj"/></asset>\n  <worldbody>'
    text = simple.read_text().replace('autolimits="true"', 'autolimits="true" meshdir="meshes"')
    (source / "hound.xml").write_text(
        text.replace("<worldbody>", hull).replace(
            '<site name="imu"', '<geom type="mesh" mesh="hull" contype="0" conaffinity="0"/><site name="imu"'
        )
    )
    (source / "meshes" / "hull.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
    )
    (source / "LICENSE").write_text("as you like\n")
    made = make_lab("hound_lab", tmp_path, str(source / "hound.xml"))
    inside = {str(path.relative_to(made.folder / "hound_lab")) for path in made.files if "robots" in path.parts}
    assert inside == {"robots/hound/hound.xml", "robots/hound/meshes/hull.obj", "robots/hound/LICENSE"}
    assert "mujoco: hound_lab/robots/hound/hound.xml" in made.robot_file.read_text()
    with pytest.raises(LabError, match="exists already"):
        make_lab("hound_lab", tmp_path)
    with pytest.raises(UnknownName, match="Did you mean 'boston_dynamics_spot'"):
        make_lab("other_lab", tmp_path, "boston_dynamics_spott")
    with pytest.raises(LabError, match="no such file"):
        make_lab("other_lab", tmp_path, str(source / "hond.xml"))
    with pytest.raises(LabError, match="small letters"):
        make_lab("My-Lab", tmp_path)
    assert not (tmp_path / "other_lab").exists()


def test_the_draft_finds_mirror_feet_and_pose(tmp_path: Path) -> None:
    made = make_lab("my_lab", tmp_path)
    plain = made.draft.plain
    mirrors = {joint["name"]: (joint["mirror"], joint["mirror_sign"]) for joint in plain["joints"]}
    assert mirrors["FR_hip_joint"] == ("FL_hip_joint", -1) and mirrors["RL_calf_joint"] == ("RR_calf_joint", 1)
    assert [(foot["name"], foot["geoms"]) for foot in plain["feet"]] == [
        (name, [f"{name}_foot"]) for name in ("FR", "FL", "RR", "RL")
    ]
    # Thigh and shank of 0.2 m at 0.8 and -1.6 rad, and a sole 0.022 m below the foot: 0.4 cos(0.8) + 0.022.
    assert plain["base_height"] == pytest.approx(0.3007, abs=1e-4)
    assert made.draft.mass == pytest.approx(13.0)
