"""Errors name the YAML file in which the bad key stands; YAML itself is read with care."""

from pathlib import Path

import pytest

from surefoot.errors import ManifestError, SurefootError
from surefoot.manifest import Manifest, compose_manifest

GO1_FLAT = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


def refusal(root: Path, overrides: list[str] | None = None) -> str:
    with pytest.raises(ManifestError) as caught:
        compose_manifest(root, GO1_FLAT, overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("ppo/go1_flat.yaml", "clip_param:", "clip_parm:", "ppo.clip_parm: unknown key. Did you mean 'clip_param'?"),
        ("ppo/go1_flat.yaml", "clip_param:", "clip_parm:", "ppo.clip_param: missing key"),
        ("robot/unitree_go1.yaml", "base_height: ", "base_height: -", "robot.base_height: input should be greater"),
        ("robot/unitree_go1.yaml", "name: FR_hip_joint, default_pos: 0.1", "name: FR_hip_joint, default_pos: .nan",
         "robot.joints.0.default_pos: input should be a finite number"),
        ("randomization/base.yaml", "friction: {edges: [", "friction: {edges: [-1.0, ",
         "randomization.factors.friction.edges: expected values > 0, got -1"),
        ("randomization/base.yaml", "friction: {edges: [0.4, 0.6", "friction: {edges: [0.6, 0.4",
         "randomization.factors.friction.edges: expected ascending edges, or two equal ones for a fixed value"),
        ("randomization/base.yaml", "  payload_mass: {", "  payload_mas: {",
         "randomization.factors.payload_mas: unknown factor. Did you mean 'payload_mass'?"),
        ("randomization/base.yaml", "bucket_by: [friction,", "bucket_by: [frction,",
         "randomization.bucket_by.0: 'frction' is not in randomization.factors. Did you mean 'friction'?"),
        ("task/velocity_flat.yaml", "func: time_out,", "func: timeout,", "task.terminations.time_out.func"),
        ("task/velocity_flat.yaml", "  swing_height:", "  swng_height:", "Did you mean 'swing_height'?"),
        (f"tasks/{GO1_FLAT}.yaml", "logger: tensorboard", "logger: paper", "training.logger"),
        (f"tasks/{GO1_FLAT}.yaml", "schema_version: 1", "schema_version: 2", "schema_version: input should be 1"),
    ],
)  # fmt: skip
def test_file_and_key_are_named(own_root: Path, file: str, old: str, new: str, expected: str) -> None:
    edit(own_root / file, old, new)
    lines = [line for line in refusal(own_root).splitlines() if expected in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"{own_root / file}: ")


def test_the_tasks_file_is_blamed_for_what_it_changes_in_a_group(own_root: Path) -> None:
    primary = own_root / "tasks" / f"{GO1_FLAT}.yaml"
    primary.write_text(primary.read_text() + "\nsimulation:\n  timestep: -0.005\n")
    assert refusal(own_root).startswith(f"{primary}: simulation.timestep: ")


def test_the_chosen_option_is_blamed_not_the_default_one(own_root: Path) -> None:
    edit(own_root / "simulation/full.yaml", "timestep: 0.005", "timestep: 0.0")
    assert refusal(own_root, ["simulation=full"]).startswith(
        f"{own_root / 'simulation/full.yaml'}: simulation.timestep"
    )


def test_a_base_option_is_blamed_through_an_options_defaults_list(own_root: Path) -> None:
    (own_root / "task/faster.yaml").write_text("defaults:\n  - velocity_flat\n\ngait:\n  frequency: 3.0\n")
    assert compose_manifest(own_root, GO1_FLAT, ["task=faster"]).task.gait.frequency == 3.0
    edit(own_root / "task/velocity_flat.yaml", "family: velocity", "family: jumping")
    assert refusal(own_root, ["task=faster"]).startswith(f"{own_root / 'task/velocity_flat.yaml'}: task.family")


def test_an_observation_leak_in_a_file_names_the_file(own_root: Path) -> None:
    edit(
        own_root / "task/velocity_flat.yaml",
        "base_ang_vel: {func: base_ang_vel, noise",
        "v: {func: base_lin_vel, noise",
    )
    message = refusal(own_root)
    assert message.startswith(
        f"{own_root / 'task/velocity_flat.yaml'}: task.observations.actor.terms.v: observation leak"
    )
    assert "base_lin_vel_b" in message


def test_a_key_given_twice_is_refused_with_its_line(own_root: Path) -> None:
    path = own_root / "randomization/base.yaml"
    path.write_text("bucket_by: [friction]\n" + path.read_text())
    message = refusal(own_root)
    assert f"{path}:" in message
    assert "bucket_by" in message


def test_python_objects_in_yaml_are_refused_and_not_run(own_root: Path, tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    path = own_root / "randomization/base.yaml"
    path.write_text(path.read_text() + f'note: !!python/object/apply:os.mkdir ["{proof}"]\n')
    assert "python/object" in refusal(own_root)
    assert not proof.exists()


def test_text_that_is_not_yaml_is_refused(own_root: Path) -> None:
    (own_root / "randomization/base.yaml").write_text("friction: [0.1, 0.2\n")
    assert "not YAML of plain values" in refusal(own_root)


def test_anchors_stand_for_what_they_repeat(own_root: Path, go1_manifest: Manifest) -> None:
    path = own_root / "ppo/go1_flat.yaml"
    text = path.read_text()
    start = text.index("actor:")
    path.write_text(
        text[:start] + "actor: &net {hidden_dims: [64, 64], activation: elu, obs_normalization: true}\ncritic: *net\n"
    )
    manifest = compose_manifest(own_root, GO1_FLAT)
    assert manifest.ppo.actor == manifest.ppo.critic
    assert manifest.ppo.actor.hidden_dims == (64, 64)


def test_a_linked_folder_and_a_linked_file_are_followed(own_root: Path, go1_manifest: Manifest) -> None:
    link = own_root.parent / "link"
    link.symlink_to(own_root, target_is_directory=True)
    (own_root / "simulation/same.yaml").symlink_to(own_root / "simulation/lean.yaml")
    assert compose_manifest(link, GO1_FLAT, ["simulation=same"]).sha256 == go1_manifest.sha256


def test_a_missing_option_file_is_refused(own_root: Path) -> None:
    (own_root / "ppo/go1_flat.yaml").unlink()
    assert "go1_flat" in refusal(own_root)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("tasks/" + GO1_FLAT, "hydra: {searchpath: ['pkg://evil']}", "hydra: a file says nothing to Hydra itself"),
        ("tasks/" + GO1_FLAT, "hydra: {run: {dir: /tmp/x}}", "hydra: a file says nothing to Hydra itself"),
        ("randomization/base", "hydra: {callbacks: {x: {_target_: evil.X}}}", "hydra: a file says nothing to Hydra"),
        ("ppo/go1_flat", "# @package hydra.searchpath", "values stand where their folder says"),
        ("ppo/go1_flat", "defaults: [{'/hydra/callbacks': evil}]", "a file says nothing to Hydra itself"),
        ("ppo/go1_flat", "defaults: [{override hydra/launcher: evil}]", "a file says nothing to Hydra itself"),
        ("ppo/go1_flat", "defaults: ['robot@hydra: unitree_go1']", "expected names of files and groups"),
        ("ppo/go1_flat", "defaults: [{robot@hydra: unitree_go1}]", "expected names of files and groups"),
        ("ppo/go1_flat", "defaults: [../../../etc/x]", "expected names of files and groups"),
        ("ppo/go1_flat", "defaults: {a: b}", "defaults: expected a list"),
        ("ppo/go1_flat", "seen: '${oc.env:HOME}'", "seen: expected a plain value, got an interpolation"),
        ("ppo/go1_flat", "'${x}': 1", "expected a plain value, got an interpolation"),
        ("ppo/go1_flat", "1: 2", "expected names as keys, got 1"),
        ("ppo/go1_flat", "x: " + "y" * 300_000, "at most 262,144"),
    ],
)
def test_a_file_cannot_speak_to_hydra(own_root: Path, tmp_path: Path, monkeypatch, file: str, text: str, expected: str):
    package = tmp_path / "evil"
    package.mkdir()
    (package / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = own_root / f"{file}.yaml"
    path.write_text(path.read_text() + f"\n{text}\n")
    message = refusal(own_root)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message
    assert not (tmp_path / "ran").exists()


def test_files_that_name_each_other_without_end_are_refused(own_root: Path) -> None:
    for level in range(12):
        below = f"level{level + 1}"
        (own_root / f"ppo/level{level}.yaml").write_text(f"defaults: [{below}, {below}]\n")
    (own_root / "ppo/level12.yaml").write_text("gamma: 0.9\n")
    edit(own_root / f"tasks/{GO1_FLAT}.yaml", "/ppo: go1_flat", "/ppo: level0")
    assert "more than 200 files" in refusal(own_root)


def test_a_name_that_no_file_system_has_is_not_found(own_root: Path) -> None:
    with pytest.raises(SurefootError, match="not found"):
        compose_manifest(own_root, "x" * 300)
    assert "is not an override" in refusal(own_root, ["+schedule.events.x.limits=" + "{" * 300])
    limits = ",".join(f"limit_{i}: {{metric: falls, maximum: 0.{i}, action: stop}}" for i in range(1, 6))
    event = f"+schedule.events.new={{kind: panel, content: quick_v1, every: 10, limits: {{{limits}}}}}"
    assert len(event) > 255
    assert len(compose_manifest(own_root, GO1_FLAT, [event]).schedule.events["new"].limits) == 5
