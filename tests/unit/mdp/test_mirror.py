"""Mirror maps: twice is the identity, and once is what a reflection of the physical robot gives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from surefoot.errors import TermError
from surefoot.manifest import Manifest, override_manifest
from surefoot.mdp.check import bind_term
from surefoot.mdp.layout import MirrorMap, action_mirror, observation_layout, observation_mirror, observation_size
from surefoot.mdp.registry import register_term
from table_state import TableState

GROUPS = ("actor", "critic")


def mirrored(mirror: MirrorMap, x: torch.Tensor) -> torch.Tensor:
    return x[..., list(mirror.index)] * torch.tensor(mirror.sign, dtype=x.dtype)


@pytest.mark.parametrize("group", GROUPS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_twice_is_the_identity(go1_manifest: Manifest, group, seed: int) -> None:
    mirror = observation_mirror(go1_manifest, group)
    x = torch.randn(3, observation_size(go1_manifest, group), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(mirrored(mirror, mirrored(mirror, x)), x)


def test_joints_change_sides_and_hips_change_sign(go1_manifest: Manifest) -> None:
    action = torch.arange(1.0, 13.0)  # FR 1 2 3, FL 4 5 6, RR 7 8 9, RL 10 11 12; each hip, thigh, calf
    out = mirrored(action_mirror(go1_manifest.robot), action)
    assert out.tolist() == [-4, 5, 6, -1, 2, 3, -10, 11, 12, -7, 8, 9]


def observe(state: TableState, group: str) -> torch.Tensor:
    """The observation vector, without noise, straight from the terms."""
    blocks = []
    for name, entry in getattr(state.manifest.task.observations, group).terms.items():
        binding = bind_term("observation", entry.func, entry.params, name)
        blocks.append(binding.func(**{read: state.read(read) for read in binding.reads}, **binding.params))
    return torch.cat(blocks, dim=1)


def reflect_joints(names: tuple[str, ...], x: torch.Tensor) -> torch.Tensor:
    """Left legs for right ones; a hip turns about the long axis of the robot, so its angle changes sign."""
    out = torch.empty_like(x)
    for index, name in enumerate(names):
        other = name.replace(name[:2], name[0] + {"R": "L", "L": "R"}[name[1]])
        out[:, index] = x[:, names.index(other)] * (-1 if "hip" in name else 1)
    return out


@pytest.mark.parametrize("group", GROUPS)
def test_once_is_the_observation_of_the_reflected_robot(go1_manifest: Manifest, group: str) -> None:
    generator = torch.Generator().manual_seed(4)
    n, robot = 16, go1_manifest.robot

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(n, *shape, generator=generator)

    flip = torch.tensor([1.0, -1.0, 1.0])  # a reflection in the x-z plane ...
    axial = torch.tensor([-1.0, 1.0, -1.0])  # ... turns rotations the other way round
    feet = torch.tensor([1, 0, 3, 2])
    state, image = TableState(go1_manifest, n), TableState(go1_manifest, n)

    rotvec = random(3)
    for target, vector in ((state, rotvec), (image, rotvec * axial)):
        quat = torch.tensor(Rotation.from_rotvec(vector.numpy()).as_quat(), dtype=torch.float32)
        target.table["base_quat_w"] = quat.roll(1, dims=1)
    for name, sign in (("base_pos_w", flip), ("base_lin_vel_w", flip), ("base_ang_vel_b", axial)):
        state.table[name] = random(3)
        image.table[name] = state.table[name] * sign
    for name in ("joint_pos", "joint_vel", "joint_torque", "action"):
        state.table[name] = random(12)
        image.table[name] = reflect_joints(robot.joint_names, state.table[name])
    state.table["foot_pos_w"] = random(4, 3)
    image.table["foot_pos_w"] = state.table["foot_pos_w"][:, feet] * flip
    state.table["foot_in_contact"] = random(4) > 0
    image.table["foot_in_contact"] = state.table["foot_in_contact"][:, feet]
    state.command[:] = random(3)
    image.command[:] = state.command * torch.tensor([1.0, -1.0, -1.0])
    state.gait.phase[:] = torch.rand(n, generator=generator)
    image.gait.phase[:] = (state.gait.phase + 0.5) % 1.0  # in a trot the other diagonal is half a cycle away
    state.invalidate()
    image.invalidate()

    expected = observe(image, group)
    torch.testing.assert_close(mirrored(observation_mirror(go1_manifest, group), observe(state, group)), expected)


def test_layout_follows_the_manifest_and_history_widens_a_block(go1_manifest: Manifest) -> None:
    base = observation_layout(go1_manifest, "actor")
    wide = observation_layout(
        override_manifest(go1_manifest, ["task.observations.actor.terms.base_ang_vel.history=4"]), "actor"
    )
    assert (base[0].name, base[0].start, base[0].stop) == ("base_ang_vel", 0, 3)
    assert wide[0].stop == 12
    assert [block.start - 9 for block in wide[1:]] == [block.start for block in base[1:]]


def test_each_step_of_a_history_is_mirrored_by_itself(go1_manifest: Manifest) -> None:
    manifest = override_manifest(go1_manifest, ["task.observations.actor.terms.base_ang_vel.history=2"])
    mirror = observation_mirror(manifest, "actor")
    assert mirror.index[:6] == (0, 1, 2, 3, 4, 5)
    assert mirror.sign[:6] == (-1, 1, -1, -1, 1, -1)


def own_five_numbers(joint_pos: torch.Tensor) -> torch.Tensor:
    return joint_pos[:, :5]


@pytest.mark.usefixtures("own_terms")
def test_a_mirror_kind_of_another_size_is_refused(go1_manifest: Manifest) -> None:
    register_term("observation", own_five_numbers, mirror="vector")
    manifest = override_manifest(go1_manifest, ["+task.observations.critic.terms.mine={func: own_five_numbers}"])
    with pytest.raises(TermError, match=r"takes 3 numbers .* returns 5"):
        observation_mirror(manifest, "critic")
