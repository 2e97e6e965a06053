"""Labs: found without being imported, refused where a name is taken, and never in the way of anything else."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import lab_site
from surefoot import commands, labs
from surefoot.errors import EngineError, LabError, ManifestError, UnknownName
from surefoot.evaluation.panel_files import load_panel, panel_names
from surefoot.manifest import compose_manifest, read_manifest, task_names, write_manifest
from surefoot.manifest.validate import lab_changes
from surefoot.mdp import registry
from surefoot.traces.joint_orders import read_joint_orders
from surefoot.traces.profile import profile_names, read_profile
from surefoot_tasks import manifest_root

GO1 = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
TASK = "Own-Velocity-Flat-Go1-v0"
TERM = "def sway_l1(base_ang_vel_b):\n    return base_ang_vel_b[:, 0].abs()\n"
REGISTER = f"{TERM}\nfrom surefoot import register_term\nregister_term('reward', sway_l1)\n"
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_terms: None) -> Iterator[Install]:
    """Install a lab for one test: its Python, and a task that names `sway_l1`. Returns the package's folder."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    names: list[str] = []

    def one(name: str, code: str = REGISTER, task: str = TASK, **about: str) -> Path:
        folder = tmp_path / "packages" / name
        (folder / "manifests" / "tasks").mkdir(parents=True)
        (folder / "__init__.py").write_text(code)
        text = (manifest_root() / "tasks" / f"{GO1}.yaml").read_text()
        added = "task: {rewards: {sway: {func: sway_l1, weight: -0.1}}}\n"
        (folder / "manifests" / "tasks" / f"{task}.yaml").write_text(text.replace(GO1, task) + added)
        lab_site.install(site, name, folder, **about)
        labs.installed.cache_clear()
        names.append(name)
        return folder.resolve()

    labs.installed.cache_clear()
    yield one
    labs.installed.cache_clear()
    registry._PROBLEMS.clear()
    for name in names:
        sys.modules.pop(name, None)


def test_the_task_of_a_lab_is_composed_and_says_what_it_needs(install: Install, tmp_path: Path) -> None:
    folder = install("own_lab", version="1.2.3", package="own-lab-of-mine")
    assert TASK in task_names(manifest_root())
    manifest = compose_manifest(manifest_root(), TASK, ["simulation=full"])
    assert manifest.task.rewards["sway"].func == "sway_l1"
    assert {name: (one.package, one.version) for name, one in manifest.labs.items()} == {
        "own_lab": ("own-lab-of-mine", "1.2.3")
    }
    kept = read_manifest(write_manifest(manifest, tmp_path))
    assert kept == manifest and lab_changes(kept) == ()
    (folder / "__init__.py").write_text(REGISTER + "# another reward now\n")
    assert "own-lab-of-mine 1.2.3" in lab_changes(kept)[0]
    assert compose_manifest(manifest_root(), TASK).sha256 != compose_manifest(manifest_root(), GO1).sha256


def test_a_bad_key_is_blamed_on_the_labs_file(install: Install) -> None:
    file = install("own_lab") / "manifests" / "tasks" / f"{TASK}.yaml"
    file.write_text(file.read_text().replace("func: sway_l1", "func: sway_l2"))
    with pytest.raises(ManifestError, match=rf"{file}: task\.rewards\.sway\.func: .*Did you mean 'sway_l1'"):
        compose_manifest(manifest_root(), TASK)


def test_shipped_tasks_import_no_lab_and_keep_their_hash(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    before = compose_manifest(manifest_root(), GO1)
    install("own_lab", "raise SystemExit('nobody asked for this lab')\n")
    assert compose_manifest(manifest_root(), GO1) == before and before.labs == {}
    assert "own_lab" not in sys.modules


def test_a_manifest_whose_lab_is_missing_names_the_package(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("own_lab", version="1.2.3", package="own-lab-of-mine")
    path = write_manifest(compose_manifest(manifest_root(), TASK), tmp_path)
    shutil.rmtree(tmp_path / "site")
    labs.installed.cache_clear()
    registry._PROBLEMS.clear()
    with pytest.raises(
        ManifestError, match=r"own-lab-of-mine 1\.2\.3.*pip install own-lab-of-mine==1\.2\.3"
    ) as refused:
        read_manifest(path)
    assert "\n" not in str(refused.value)


def test_a_strangers_manifest_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a lab's name nor a term's or robot's makes Python import what is no installed entry point."""
    trap = tmp_path / "trap_lab"
    trap.mkdir()
    (trap / "__init__.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plain = compose_manifest(manifest_root(), GO1).to_plain()
    record = {"package": "trap", "version": "1", "sha256": "0" * 64}
    plain["labs"] = {"trap_lab": record}
    plain["task"]["rewards"]["trap"] = {"func": "trap_lab.term", "weight": 1.0}
    path = tmp_path / "manifest.yaml"
    path.write_text("# sha256 0\n" + yaml.safe_dump(plain))
    with pytest.raises(ManifestError, match="trap_lab"):
        read_manifest(path)
    assert "trap_lab" not in sys.modules


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import no_such_package\n", r"__init__\.py:1: ModuleNotFoundError: No module named 'no_such_package'"),
        ("def broken(:\n", r"__init__\.py:1: SyntaxError"),
        ("\nraise SystemExit(3)\n", r"__init__\.py:2: SystemExit: 3"),
        (
            TERM.replace("sway_l1", "upright_l2") + "from surefoot import register_term\n"
            "register_term('reward', upright_l2)\n",
            r"__init__\.py:4: reward term 'upright_l2' exists already",
        ),
    ],
)
def test_a_lab_that_cannot_be_imported_is_told_in_one_line(install: Install, code: str, expected: str) -> None:
    install("own_lab", code)
    with pytest.raises(ManifestError, match=expected) as refused:
        compose_manifest(manifest_root(), TASK)
    assert str(refused.value).count("\n") == 0
    assert compose_manifest(manifest_root(), GO1).labs == {}
    assert registry.term("reward", "upright_l2").__module__ == "surefoot.mdp.rewards"


def test_two_labs_with_one_term_the_second_is_left_out_whole(install: Install) -> None:
    install("own_lab")
    install("zoo_lab", f"{REGISTER}def extra(episode_step):\n    return episode_step\n", "Zoo-v0")
    assert registry.import_labs() == [registry._PROBLEMS["zoo_lab"]]
    assert "'sway_l1' exists already, in own_lab" in registry._PROBLEMS["zoo_lab"]
    assert registry.term("reward", "sway_l1").__module__ == "own_lab"


def test_a_task_with_a_taken_name_is_refused_and_the_shipped_one_stays(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    before = compose_manifest(manifest_root(), GO1)
    folder = install("own_lab", task=GO1)
    shutil.copy(folder / "manifests" / "tasks" / f"{GO1}.yaml", folder / "manifests" / "tasks" / "Other-v0.yaml")
    assert compose_manifest(manifest_root(), GO1) == before
    with pytest.raises(LabError, match=rf"{GO1}\.yaml has the name of a file of surefoot itself: rename it"):
        compose_manifest(manifest_root(), "Other-v0")
    commands.main(["tasks"])
    assert "Left out: Lab 'own_lab'" in capsys.readouterr().out


def test_two_labs_with_one_task(install: Install) -> None:
    install("own_lab")
    install("zoo_lab", TERM)
    problems = labs.problems(labs.against(manifest_root()))
    assert len(problems) == 1 and "has the name of a file of lab 'own_lab'" in problems[0]
    assert compose_manifest(manifest_root(), TASK).labs.keys() == {"own_lab"}


def test_an_entry_point_that_is_no_package_here(install: Install, tmp_path: Path) -> None:
    install("own_lab")
    points = tmp_path / "site" / "own_lab-0.1.0.dist-info" / "entry_points.txt"
    for value, expected in (("os.path", "expected own_lab"), ("json", "expected own_lab")):
        points.write_text(f"[surefoot.labs]\nown_lab = {value}\n")
        labs.installed.cache_clear()
        assert expected in labs.installed()[0].problem
        assert TASK not in task_names(manifest_root())
        with pytest.raises(UnknownName):
            compose_manifest(manifest_root(), TASK)


def test_panels_and_trace_profiles_of_a_lab(install: Install) -> None:
    manifests = install("own_lab") / "manifests"
    (manifests / "panels").mkdir()
    text = (manifest_root() / "panels" / "quick_v1.yaml").read_text().replace("name: quick_v1", "name: own_v1")
    (manifests / "panels" / "own_v1.yaml").write_text(text)
    (manifests / "traces" / "formats").mkdir(parents=True)
    profile = (manifest_root() / "traces" / "formats" / "go2_columns.yaml").read_text()
    profile = profile.replace("go2_columns", "own_columns").replace("unitree_sdk_go2", "own_order")
    (manifests / "traces" / "formats" / "own_columns.yaml").write_text(profile)
    order = {"robot": "unitree_go2", "joints": ["a", "b"], "source": "here"}
    orders = {"schema_version": 1, "orders": {"own_order": order}}
    (manifests / "traces" / "joint_orders.yaml").write_text(yaml.safe_dump(orders))
    root = manifest_root()
    assert "own_v1" in panel_names(root) and len(load_panel("own_v1", root).cells) > 5
    assert "own_columns" in profile_names(root) and read_profile(root, "own_columns").joints == "own_order"
    assert read_joint_orders(root).get("own_order").joints == ("a", "b")
    orders["orders"] = {"unitree_sdk_go2": order}
    (manifests / "traces" / "joint_orders.yaml").write_text(yaml.safe_dump(orders))
    with pytest.raises(ManifestError, match=r"orders\.unitree_sdk_go2: this name is taken"):
        read_joint_orders(root)


def test_a_model_is_a_file_inside_the_package(install: Install, tmp_path: Path) -> None:
    folder = install("own_lab")
    (folder / "robots").mkdir()
    (folder / "robots" / "dog.xml").write_text("<mujoco/>")
    (tmp_path / "outside.xml").write_text("<mujoco/>")
    assert labs.model_path("own_lab/robots/dog.xml") == folder / "robots" / "dog.xml"
    for asset, expected in (
        ("own_lab/../../outside.xml", "expected a file in the package's folder"),
        ("own_lab/robots/dogg.xml", "Did you mean 'robots/dog.xml'"),
        ("own_lap/robots/dog.xml", "lab 'own_lap' is not installed.*Did you mean 'own_lab'"),
    ):
        with pytest.raises(LabError, match=expected):
            labs.model_path(asset)


def test_a_task_whose_robot_is_of_a_lab_needs_it(install: Install) -> None:
    folder = install("own_lab", TERM)
    (folder / "robots").mkdir()
    (folder / "robots" / "dog.xml").write_text("<mujoco/>")
    manifest = compose_manifest(manifest_root(), GO1, ["robot.assets.mujoco=own_lab/robots/dog.xml"])
    assert manifest.labs.keys() == {"own_lab"}
    before = manifest.labs["own_lab"].sha256
    (folder / "robots" / "dog.xml").write_text("<mujoco model='dog'/>")
    other = compose_manifest(manifest_root(), GO1, ["robot.assets.mujoco=own_lab/robots/dog.xml"])
    assert other.labs["own_lab"].sha256 != before
    with pytest.raises((EngineError, LabError), match=r"cat\.xml"):
        compose_manifest(manifest_root(), GO1, ["robot.assets.mujoco=own_lab/robots/cat.xml"])
