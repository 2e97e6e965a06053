"""Mirror maps: twice is the identity, and once is what a reflection of the physical robot gives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from surefoot.errors import TermError
from surefoot.manifest import Manifest, compose_manifest, override_manifest
from surefoot.mdp.observation_layout import (
    MirrorMap,
    action_mirror,
    observation_layout,
    observation_mirror,
    observation_size,
)
from surefoot.mdp.registry import register_term
from surefoot.mdp.term_check import bind_term
from surefoot_tasks import manifest_root
from table_state import TableState

GROUPS = ("actor", "critic")
ROBOTS = ("Unitree-Go1", "Unitree-Go2", "Unitree-G1", "Unitree-H1", "Anymal-D")
TASKS = [f"Surefoot-Velocity-Flat-{robot}-v0" for robot in ROBOTS]


@pytest.fixture(scope="module", params=TASKS)
def manifest(request: pytest.FixtureRequest) -> Manifest:
    return compose_manifest(manifest_root(), request.param)


def mirrored(mirror: MirrorMap, x: torch.Tensor) -> torch.Tensor:
    return x[..., list(mirror.index)] * torch.tensor(mirror.sign, dtype=x.dtype)


@pytest.mark.parametrize("group", GROUPS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_twice_is_the_identity(manifest: Manifest, group, seed: int) -> None:
    mirror = observation_mirror(manifest, group)
    x = torch.randn(3, observation_size(manifest, group), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(mirrored(mirror, mirrored(mirror, x)), x)


def test_joints_change_sides_and_hips_change_sign(go1_manifest: Manifest) -> None:
    action = torch.arange(1.0, 13.0)  # FR 1 2 3, FL 4 5 6, RR 7 8 9, RL 10 11 12; each hip, thigh, calf
    out = mirrored(action_mirror(go1_manifest.robot), action)
    assert out.tolist() == [-4, 5, 6, -1, 2, 3, -10, 11, 12, -7, 8, 9]


def test_humanoid_joints_change_sides_and_the_waist_turns_over() -> None:
    robot = compose_manifest(manifest_root(), TASKS[2]).robot
    action = torch.zeros(29)
    for name, value in (("left_knee_joint", 1.0), ("right_hip_roll_joint", 2.0), ("waist_yaw_joint", 3.0)):
        action[robot.joint_names.index(name)] = value
    action[robot.joint_names.index("waist_pitch_joint")] = 4.0
    out = mirrored(action_mirror(robot), action)
    image = {robot.joint_names[i]: out[i].item() for i in range(29) if out[i] != 0}
    expected = {"left_hip_roll_joint": -2.0, "right_knee_joint": 1.0, "waist_yaw_joint": -3.0, "waist_pitch_joint": 4.0}
    assert image == expected


def observe(state: TableState, group: str) -> torch.Tensor:
    """The observation vector, without noise, straight from the terms."""
    blocks = []
    for name, entry in getattr(state.manifest.task.observations, group).terms.items():
        binding = bind_term("observation", entry.func, entry.params, name)
        blocks.append(binding.func(**{read: state.read(read) for read in binding.reads}, **binding.params))
    return torch.cat(blocks, dim=1)


def reflect_joints(names: tuple[str, ...], x: torch.Tensor) -> torch.Tensor:
    """Left for right; what turns about the long or the vertical axis of the robot changes sign."""
    out = torch.empty_like(x)
    pairs = (("left", "right"), ("FL", "FR"), ("RL", "RR"), ("LF", "RF"), ("LH", "RH"))
    swap = dict(pairs) | {b: a for a, b in pairs}
    for index, name in enumerate(names):
        side, _, rest = name.partition("_")
        other = f"{swap[side]}_{rest}" if side in swap else name
        about_y = not any(part in name for part in ("_roll", "_yaw", "R_hip_joint", "L_hip_joint", "HAA", "torso"))
        out[:, index] = x[:, names.index(other)] * (1 if about_y else -1)
    return out


@pytest.mark.parametrize("group", GROUPS)
def test_once_is_the_observation_of_the_reflected_robot(manifest: Manifest, group: str) -> None:
    generator = torch.Generator().manual_seed(4)
    n, robot = 16, manifest.robot

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(n, *shape, generator=generator)

    flip = torch.tensor([1.0, -1.0, 1.0])  # a reflection in the x-z plane ...
    axial = torch.tensor([-1.0, 1.0, -1.0])  # ... turns rotations the other way round
    feet = torch.tensor([1, 0, 3, 2][: len(robot.feet)])
    state, image = TableState(manifest, n), TableState(manifest, n)

    rotvec = random(3)
    for target, vector in ((state, rotvec), (image, rotvec * axial)):
        quat = torch.tensor(Rotation.from_rotvec(vector.numpy()).as_quat(), dtype=torch.float32)
        target.table["base_quat_w"] = quat.roll(1, dims=1)
    for name, sign in (("base_pos_w", flip), ("base_lin_vel_w", flip), ("base_ang_vel_b", axial)):
        state.table[name] = random(3)
        image.table[name] = state.table[name] * sign
    for name in ("joint_pos", "joint_vel", "joint_torque", "action"):
        state.table[name] = random(len(robot.joints))
        image.table[name] = reflect_joints(robot.joint_names, state.table[name])
    state.table["foot_pos_w"] = random(len(robot.feet), 3)
    image.table["foot_pos_w"] = state.table["foot_pos_w"][:, feet] * flip
    state.table["foot_in_contact"] = random(len(robot.feet)) > 0
    image.table["foot_in_contact"] = state.table["foot_in_contact"][:, feet]
    state.command[:] = random(3)
    image.command[:] = state.command * torch.tensor([1.0, -1.0, -1.0])
    state.gait.phase[:] = torch.rand(n, generator=generator)
    image.gait.phase[:] = (state.gait.phase + 0.5) % 1.0  # the other diagonal, or the other leg, is half a cycle away
    state.invalidate()
    image.invalidate()

    expected = observe(image, group)
    torch.testing.assert_close(mirrored(observation_mirror(manifest, group), observe(state, group)), expected)


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
