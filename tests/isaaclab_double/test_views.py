"""Each view of the double, on a robot whose numbers can be worked out by hand."""

import math
from typing import Any

import pytest
import torch

GRAVITY = 9.81
DT = 0.005
LINKS = ["box", "left_thigh", "right_thigh", "left_shin", "right_shin"]
JOINTS = ["left_hip", "right_hip", "left_knee", "right_knee"]
ALL = torch.arange(2)


def view_of(stage: Any) -> tuple[Any, Any]:
    """The simulation and its robots."""
    from isaaclab_double.physx_views import SimulationView

    simulation = SimulationView(stage, DT)
    return simulation, simulation.create_articulation_view("/World/envs/env_*/Robot/box")


def afloat() -> tuple[Any, Any]:
    """Without weight, in the air."""
    from isaaclab_double.small_robot import new_stage

    return view_of(new_stage(gravity=0.0, height=5.0))


def test_links_and_joints_stand_level_by_level(stage: Any) -> None:
    _, robots = view_of(stage)
    assert robots.count == 2
    assert robots.shared_metatype.link_names == LINKS
    assert robots.shared_metatype.dof_names == JOINTS
    assert robots.link_paths[1][3] == "/World/envs/env_1/Robot/left_shin"
    assert robots.dof_paths[1][1] == "/World/envs/env_1/Robot/joints/right_hip"


def test_parameters_are_those_on_the_stage_in_radians(stage: Any) -> None:
    _, robots = view_of(stage)
    assert robots.get_masses().tolist() == [[4.0, 1.0, 1.0, 0.5, 0.5]] * 2
    assert torch.allclose(robots.get_inertias()[0, 0], torch.diag(torch.tensor([0.02, 0.03, 0.04])).flatten())
    assert torch.allclose(robots.get_coms()[1, 0], torch.tensor([0.1, 0, 0, 0, 0, 0, 1]))  # x y z w
    assert torch.allclose(robots.get_dof_limits(), torch.tensor([-math.pi / 2, math.pi / 2]).expand(2, 4, 2))
    for got, expected in (
        (robots.get_dof_stiffnesses(), 30.0),
        (robots.get_dof_dampings(), 2.0),
        (robots.get_dof_max_forces(), 12.0),
    ):
        assert torch.allclose(got, torch.full((2, 4), expected))
    assert torch.allclose(robots.get_material_properties()[..., :2], torch.full((2, 2, 2), 0.7))


SETTERS = (
    "masses", "inertias", "coms", "material_properties", "dof_limits", "dof_armatures", "dof_stiffnesses",
    "dof_dampings", "dof_max_forces", "dof_max_velocities", "dof_friction_properties", "root_transforms",
    "root_velocities", "dof_positions", "dof_velocities",
)  # fmt: skip


@pytest.mark.parametrize("what", SETTERS)
def test_a_setter_takes_the_named_rows_and_gives_them_back(stage: Any, what: str) -> None:
    _, robots = view_of(stage)
    before = getattr(robots, f"get_{what}")()
    wanted = before * 1.25 + (0.0 if what in ("inertias", "coms", "root_transforms") else 0.01)
    if what in ("coms", "root_transforms"):
        wanted[..., 3:] = before[..., 3:]
    getattr(robots, f"set_{what}")(wanted, torch.tensor([1]))
    after = getattr(robots, f"get_{what}")()
    assert torch.equal(after[0], before[0])
    assert torch.allclose(after[1], wanted[1], atol=1e-6)


def test_the_ground_carries_the_weight_and_only_at_the_feet(stage: Any) -> None:
    simulation, robots = view_of(stage)
    steady(robots)
    masses = robots.get_masses()
    masses[1, 0] = 9.0
    robots.set_masses(masses, torch.tensor([1]))
    contacts = simulation.create_rigid_contact_view("/World/envs/env_*/Robot/*")
    for _ in range(200):
        simulation.step()
    mean = torch.zeros(2, 5, 3)
    for _ in range(100):
        simulation.step()
        mean += contacts.get_net_contact_forces(dt=DT).reshape(2, 5, 3) / 100
    assert mean[:, :3].abs().max() == 0  # box and thighs
    assert mean[:, 3:, 2].sum(dim=1).tolist() == pytest.approx([7 * GRAVITY, 12 * GRAVITY], rel=0.01)


def steady(robots: Any) -> None:
    """Stiff legs, and a box that hardly turns: the robot, which cannot balance, stays upright."""
    for set_drive in (robots.set_dof_stiffnesses, robots.set_dof_dampings, robots.set_dof_max_forces):
        set_drive(torch.full((2, 4), 1.0e4), ALL)
    inertias = robots.get_inertias()
    inertias[:, 0, [0, 4, 8]] = 1.0e4
    robots.set_inertias(inertias, ALL)


def test_everything_falls_with_gravity(launched: None) -> None:
    from isaaclab_double.small_robot import new_stage

    simulation, robots = view_of(new_stage(height=5.0))
    simulation.step()
    simulation.step()
    expected = torch.tensor([0.0, 0.0, -GRAVITY])
    assert torch.allclose(robots.get_link_accelerations()[..., :3], expected.expand(2, 5, 3), atol=1e-3)
    contacts = simulation.create_rigid_contact_view("/World/envs/env_*/Robot/*")
    assert not contacts.get_net_contact_forces(dt=DT).any()


def test_root_velocity_is_that_of_the_centre_of_mass(launched: None) -> None:
    """At 2 rad/s about a centre of mass at rest, 0.1 m ahead, the origin goes at 0.2 m/s to the right."""
    simulation, robots = afloat()
    robots.set_root_velocities(torch.tensor([[0.0, 0, 0, 0, 0, 2], [1.0, 0, 0, 0, 0, 0]]), ALL)
    before = robots.get_root_transforms()
    robots.set_dof_velocities(torch.zeros(2, 4), ALL)
    assert robots._batch.data[0].qvel[:6].tolist() == pytest.approx([0, -0.2, 0, 0, 0, 2], abs=1e-7)
    simulation.step()
    moved = robots.get_root_transforms() - before
    assert moved[1, 0] == pytest.approx(DT * 1.0, rel=1e-4)


def test_links_follow_a_write_once_asked_but_not_their_velocities(launched: None) -> None:
    simulation, robots = afloat()
    joints = torch.zeros(2, 4)
    joints[0, 0] = math.pi / 2  # left hip forward: the shin comes to lie 0.3 m behind the hip, about +y
    robots.set_dof_positions(joints, ALL)
    robots.set_dof_velocities(torch.ones(2, 4), ALL)
    simulation.update_articulations_kinematic()
    box, shin = robots.get_link_transforms()[0, 0, :3], robots.get_link_transforms()[0, 3, :3]
    assert (shin - box).tolist() == pytest.approx([-0.3, 0.5, 0.0], abs=1e-6)
    assert robots.get_dof_velocities()[0].tolist() == [1.0] * 4
    assert not robots.get_link_velocities().any()  # those of the last physics step
    simulation.step()
    assert robots.get_link_velocities().any()


def test_a_drive_reaches_its_target_and_an_effort_without_stiffness_accelerates(launched: None) -> None:
    simulation, robots = afloat()
    robots.set_dof_position_targets(torch.tensor([[0.0, 0, 0.3, -0.3], [0.0, 0, 0, 0]]), ALL)
    for _ in range(600):
        simulation.step()
    assert robots.get_dof_positions()[0, 2:].tolist() == pytest.approx([0.3, -0.3], abs=2e-3)
    assert not robots.get_dof_positions()[1].any()
    robots.set_dof_stiffnesses(torch.zeros(2, 4), ALL)
    robots.set_dof_dampings(torch.zeros(2, 4), ALL)
    robots.set_dof_actuation_forces(torch.tensor([[0.0] * 4, [0.0, 0, 0.1, 0]]), ALL)
    simulation.step()
    assert robots.get_dof_velocities()[1, 2] > 0


def test_a_force_acts_in_the_frame_of_its_link_for_one_step(launched: None) -> None:
    simulation, robots = afloat()
    pose = robots.get_root_transforms()
    pose[0, 3:] = torch.tensor(
        [0.0, 0.0, math.sin(math.pi / 4), math.cos(math.pi / 4)]
    )  # x of the box is y of the world
    robots.set_root_transforms(pose, ALL)
    simulation.update_articulations_kinematic()
    force = torch.zeros(2, 5, 3)
    force[:, 0, 0] = 70.0
    robots.apply_forces_and_torques_at_position(force.reshape(-1, 3), torch.zeros(10, 3), None, ALL, False)
    for _ in range(3):
        simulation.step()
    momentum = (robots.get_link_velocities()[..., :3] * robots.get_masses().unsqueeze(-1)).sum(dim=1)
    assert momentum[0].tolist() == pytest.approx([0.0, 70 * DT, 0.0], abs=1e-3)
    assert momentum[1].tolist() == pytest.approx([70 * DT, 0.0, 0.0], abs=1e-3)


def test_an_inertia_off_the_axes_couples_them(launched: None) -> None:
    """With legs that weigh nothing, 1 N m about x turns the box by the first column of the inverse of its inertia."""
    simulation, robots = afloat()
    weightless(robots)
    inertias = robots.get_inertias()
    inertias[:, 0] = torch.tensor([0.4, 0.1, 0.0, 0.1, 0.5, -0.1, 0.0, -0.1, 0.6])
    robots.set_inertias(inertias, ALL)
    assert torch.allclose(robots.get_inertias(), inertias, atol=1e-6)
    torque = torch.zeros(2, 5, 3)
    torque[:, 0, 0] = 1.0
    robots.apply_forces_and_torques_at_position(0.0 * torque.reshape(-1, 3), torque.reshape(-1, 3), None, ALL, True)
    simulation.step()
    expected = torch.linalg.inv(inertias[0, 0].reshape(3, 3))[:, 0] * DT
    assert torch.allclose(robots.get_root_velocities()[0, 3:], expected, rtol=1e-3, atol=1e-6)


def test_writing_the_axes_of_a_centre_of_mass_turns_the_inertia(stage: Any) -> None:
    """A quarter turn about z exchanges the moments about x and y, as PhysX keeps moments and axes apart."""
    _, robots = view_of(stage)
    before = robots.get_inertias()[0, 0].reshape(3, 3)
    coms = robots.get_coms()
    coms[0, 0, 3:] = torch.tensor([0.0, 0.0, math.sqrt(0.5), math.sqrt(0.5)])  # x y z w
    robots.set_coms(coms, torch.tensor([0]))
    after = robots.get_inertias()[0, 0].reshape(3, 3)
    assert after.diagonal().tolist() == pytest.approx([float(before[1, 1]), float(before[0, 0]), float(before[2, 2])])


def weightless(robots: Any) -> None:
    """Of the robot only the box counts."""
    light = robots.get_masses()
    light[:, 1:] = 1e-9
    robots.set_masses(light, ALL)
    robots.set_inertias(robots.get_inertias() * torch.tensor([1.0] + [1e-9] * 4)[:, None], ALL)
    for set_drive in (robots.set_dof_stiffnesses, robots.set_dof_dampings):
        set_drive(torch.zeros(2, 4), ALL)


def test_numbers_that_follow_from_armature_follow(launched: None) -> None:
    """With 100 kg m^2 about a joint its inverse inertia is 1/100; the softness of contacts is a multiple of it."""
    _, robots = afloat()
    robots.set_dof_armatures(torch.full((2, 4), 100.0), ALL)
    for model in robots._batch.models:
        assert model.dof_invweight0[robots._batch.qvel_at].tolist() == pytest.approx([0.01] * 4, rel=0.02)


def test_of_a_joints_friction_the_torque_in_motion_acts(launched: None) -> None:
    """Knees turn at 4 rad/s, one against 0.1 N m: it loses more speed in ten steps; to a torque at rest alone, none."""
    simulation, robots = afloat()
    for set_drive in (robots.set_dof_stiffnesses, robots.set_dof_dampings):
        set_drive(torch.zeros(2, 4), ALL)
    friction = robots.get_dof_friction_properties()
    friction[:, 2, 0], friction[0, 2, 1] = 0.1, 0.1
    robots.set_dof_friction_properties(friction, ALL)
    assert torch.equal(robots.get_dof_friction_properties(), friction)
    robots.set_dof_velocities(torch.full((2, 4), 4.0) * torch.tensor([0, 0, 1, 1]), ALL)
    for _ in range(10):
        simulation.step()
    (slowed, free), (rest, other) = robots.get_dof_velocities()[:, 2:].tolist()
    assert slowed < free - 0.02
    assert rest == pytest.approx(other, rel=1e-3)


def test_friction_slows_what_slides(stage: Any) -> None:
    """On stiff legs, from 1 m/s, for 0.1 s: friction 0.1 and 0.2 leave 1 - friction * g * t."""
    simulation, robots = view_of(stage)
    steady(robots)
    material = robots.get_material_properties()
    material[0, :, 0], material[1, :, 0] = 0.1, 0.2
    robots.set_material_properties(material, ALL)
    for _ in range(200):
        simulation.step()
    robots.set_root_velocities(torch.tensor([[1.0, 0, 0, 0, 0, 0]] * 2), ALL)
    for _ in range(20):
        simulation.step()
    expected = [1 - 0.1 * GRAVITY * 0.1, 1 - 0.2 * GRAVITY * 0.1]
    assert robots.get_root_velocities()[:, 0].tolist() == pytest.approx(expected, abs=0.03)


def test_bodies_are_found_by_pattern(stage: Any) -> None:
    simulation, _ = view_of(stage)
    shins = simulation.create_rigid_body_view("/World/envs/env_*/Robot/(left_shin|box)")
    assert shins.prim_paths == [
        f"/World/envs/env_{env}/Robot/{link}" for env in (0, 1) for link in ("box", "left_shin")
    ]
    assert shins.get_transforms()[:, 0].tolist() == [0.0, 0.0, 4.0, 4.0]
    assert simulation.create_rigid_body_view("/World/envs/env_0/Robot/left_shin").max_shapes == 1


def test_a_state_that_is_no_number_stays_in_its_row(stage: Any) -> None:
    simulation, robots = view_of(stage)
    velocity = torch.zeros(2, 4)
    velocity[0] = math.nan
    robots.set_dof_velocities(velocity, ALL)
    simulation.step()
    assert torch.isnan(robots.get_dof_positions()[0]).any()
    assert torch.isfinite(robots.get_dof_positions()[1]).all()


def test_a_body_that_is_not_where_its_joint_has_it_is_refused(stage: Any) -> None:
    from pxr import Gf, UsdGeom

    shin = UsdGeom.Xformable(stage.GetPrimAtPath("/World/envs/env_0/Robot/left_shin"))
    shin.GetOrderedXformOps()[0].Set(Gf.Vec3d(0, 0.5, -0.31))
    with pytest.raises(ValueError, match="left_knee: body 'left_shin' is not where its joint has it"):
        view_of(stage)
