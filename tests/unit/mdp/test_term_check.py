"""Terms are matched with RobotState and manifest before a simulator starts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from surefoot.errors import ManifestError, TermError, UnknownName
from surefoot.manifest import Manifest, override_manifest
from surefoot.mdp.fields import READABLE
from surefoot.mdp.observations import MIRROR
from surefoot.mdp.registry import register_term, term, term_names
from surefoot.mdp.term_check import bind_term

KINDS = ("reward", "termination", "observation")


def refusal(manifest: Manifest, *overrides: str) -> str:
    with pytest.raises(ManifestError) as caught:
        override_manifest(manifest, list(overrides))
    return str(caught.value)


def test_a_term_is_bound_by_the_names_of_its_parameters() -> None:
    binding = bind_term("reward", "track_lin_vel_xy_exp", {"std": 0.5}, "task.rewards.t")
    assert binding.reads == ("command", "base_lin_vel_yaw")
    assert binding.params == {"std": 0.5}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "t.params: track_lin_vel_xy_exp needs 'std'"),
        ({"sdt": 0.5, "std": 0.5}, "t.params.sdt: track_lin_vel_xy_exp takes no such parameter. Did you mean 'std'?"),
        ({"std": 0.5, "command": 1.0}, "t.params.command: track_lin_vel_xy_exp reads 'command' from RobotState"),
        ({"std": 0.0}, "t.params.std: input should be greater than 0, got 0.0"),
        ({"std": float("nan")}, "t.params.std: input should be a finite number"),
        ({"std": "wide"}, "t.params.std: input should be a valid number, got 'wide'"),
        ({"std": True}, "t.params.std: input should be a valid number, got True"),
    ],
)
def test_wrong_parameters_are_refused_by_key(params, expected: str) -> None:
    with pytest.raises(ManifestError) as caught:
        bind_term("reward", "track_lin_vel_xy_exp", params, "t")
    assert str(caught.value).startswith(expected)


def test_unknown_function_names_the_nearest_of_its_kind() -> None:
    with pytest.raises(ManifestError, match=r"^t\.func: Reward term 'upright' not found\. Did you mean 'upright_l2'\?"):
        bind_term("reward", "upright", {}, "t")
    with pytest.raises(UnknownName):
        term("termination", "upright_l2")


def test_the_actor_may_not_read_what_no_robot_measures(go1_manifest: Manifest) -> None:
    add = "+task.observations.actor.terms.v={func: base_lin_vel}"
    message = refusal(go1_manifest, add)
    assert "task.observations.actor.terms.v: observation leak" in message
    assert "'base_lin_vel_b'" in message
    allowed = override_manifest(go1_manifest, [add, "task.observations.actor.allow_privileged=[base_lin_vel_b]"])
    assert "v" in allowed.task.observations.actor.terms


def test_an_exception_by_name_opens_nothing_else(go1_manifest: Manifest) -> None:
    message = refusal(
        go1_manifest,
        "+task.observations.actor.terms.h={func: foot_height}",
        "task.observations.actor.allow_privileged=[base_lin_vel_b]",
    )
    assert "'foot_height'" in message


def test_an_unknown_exception_names_the_nearest(go1_manifest: Manifest) -> None:
    message = refusal(go1_manifest, "task.observations.actor.allow_privileged=[base_lin_vel_bb]")
    assert "Did you mean 'base_lin_vel_b'?" in message


def test_the_critic_may_read_everything(go1_manifest: Manifest) -> None:
    reads = set()
    for name, entry in go1_manifest.task.observations.critic.terms.items():
        reads |= set(bind_term("observation", entry.func, entry.params, name).reads)
    assert any(not READABLE[read].on_hardware for read in reads)


def test_a_contact_that_the_contact_model_lacks_is_refused(go1_manifest: Manifest) -> None:
    add = "+task.rewards.limbs={func: undesired_contacts, weight: -1.0}"
    lean = override_manifest(go1_manifest, ["robot.contact_models.lean.collide=[feet, base]"])
    message = refusal(lean, add)
    assert "task.rewards.limbs: undesired_contacts reads 'limbs_in_contact'" in message
    assert "contact model 'lean' lets only feet, base touch the ground" in message
    assert "simulation.contact_model to full" in message
    override_manifest(lean, [add, "simulation.contact_model=full"])


def test_a_fall_that_cannot_be_felt_is_refused(go1_manifest: Manifest) -> None:
    message = refusal(go1_manifest, "robot.contact_models.lean.collide=[feet]", "simulation.contact_model=lean")
    assert "base_contact reads 'base_in_contact', which is always zero here" in message


def test_all_bad_terms_are_listed_at_once(go1_manifest: Manifest) -> None:
    first, second = list(go1_manifest.task.rewards)[:2]
    message = refusal(go1_manifest, f"task.rewards.{first}.func=a", f"task.rewards.{second}.func=b")
    assert len(message.splitlines()) == 2


def an_own_reward(base_height: Tensor, gain: float = 2.0) -> Tensor:
    return gain * base_height


def an_own_observation(joint_pos: Tensor) -> Tensor:
    return joint_pos


@pytest.mark.usefixtures("own_terms")
def test_own_terms_are_registered_by_name_and_duplicates_refused(go1_manifest: Manifest) -> None:
    register_term("reward", an_own_reward)
    override_manifest(go1_manifest, ["+task.rewards.mine={func: an_own_reward, weight: 1.0, params: {gain: 3.0}}"])
    register_term("reward", an_own_reward)  # the same function again is no conflict

    def upright_l2(base_height: Tensor) -> Tensor:
        return base_height

    with pytest.raises(TermError, match="exists already"):
        register_term("reward", upright_l2)


@pytest.mark.usefixtures("own_terms")
def test_an_own_observation_must_say_how_it_mirrors() -> None:
    with pytest.raises(TermError, match="mirrors left to right"):
        register_term("observation", an_own_observation)
    register_term("observation", an_own_observation, mirror="joints")
    assert MIRROR["an_own_observation"] == "joints"


PARAMS = {
    "joints": ".*",
    "std": 0.3, "target": 0.2, "threshold": 0.1, "limit_angle": 1.0, "minimum": 0.2, "max_distance": 1.0,
}  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_terms_treat_environments_alike(go1_manifest: Manifest, seed: int) -> None:
    """Permuting environments permutes the result; shapes and types are as documented."""
    generator, n = torch.Generator().manual_seed(seed), 7
    order = torch.randperm(n, generator=generator)
    fields: dict[str, object] = {
        "step_dt": 0.02,
        "max_episode_steps": 500,
        "joint_names": go1_manifest.robot.joint_names,
    }
    for name, entry in READABLE.items():
        if name in fields:
            continue
        shape = entry.concrete_shape(go1_manifest.robot)
        value = torch.randn(shape if name in _CONSTANT else (n, *shape), generator=generator)
        fields[name] = value > 0 if entry.unit == "bool" else value
    for kind in KINDS:
        for name in term_names(kind):
            func = term(kind, name)
            wanted = func.__annotations__.keys() - {"return"}
            inputs = {key: fields[key] if key in fields else PARAMS.get(key, 1.0) for key in wanted}
            permuted = {
                key: value[order] if isinstance(value, Tensor) and key not in _CONSTANT else value
                for key, value in inputs.items()
            }
            out = func(**inputs)
            assert torch.equal(func(**permuted), out[order]), name
            assert out.shape[0] == n
            assert out.dim() == (2 if kind == "observation" else 1), name
            assert out.dtype == (torch.bool if kind == "termination" else torch.float32), name


_CONSTANT = {"default_joint_pos", "soft_joint_lower", "soft_joint_upper", "effort_limit"}


@pytest.mark.parametrize(
    ("joints", "expected"),
    [
        (".*_knee_joint", "params.joints: no joint's whole name matches '.*_knee_joint'; the robot has FR_hip_joint,"),
        ("hip", "params.joints: no joint's whole name matches 'hip'"),
        ("FR_(hip", "params.joints: 'FR_(hip' is no regular expression: missing )"),
    ],
)
def test_a_pattern_without_a_joint_is_refused(go1_manifest: Manifest, joints: str, expected: str) -> None:
    term = f"{{func: joint_group_deviation_l2, weight: -1.0, params: {{joints: '{joints}'}}}}"
    assert expected in refusal(go1_manifest, f"+task.rewards.some={term}")
