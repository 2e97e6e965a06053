"""Contact flags belong to the state that the terms see, not to the physics step before."""

import pytest
import torch

from live import batch
from surefoot.engines.step import PhysicalState

pytestmark = pytest.mark.usefixtures("on_newton")


@pytest.mark.parametrize("model", ["lean", "full"])
def test_flags_say_whether_the_sole_is_below_the_ground(model: str) -> None:
    generator = torch.Generator().manual_seed(3)
    with batch(16, f"simulation={model}", "task.resets.joint_pos=[-0.3,0.3]") as env:
        read, swapped, seen = env.robot_state.read, 0, 0
        before = read("foot_in_contact").clone()
        for _ in range(25):
            env.step(0.6 * torch.randn(16, 12, generator=generator))
            depth = read("foot_height")  # clearance of the sole, 0 where it touches
            flags = read("foot_in_contact")
            sure = depth.abs() > 1e-5
            assert torch.equal(flags[sure], (depth < 0)[sure])
            swapped += int((flags != before).sum())
            seen += int(flags.sum())
            before = flags.clone()
        assert swapped > 50 and seen > 50  # both kinds occurred


def test_the_feet_decide_their_contact_alone_as_on_mujoco() -> None:
    """Otherwise the ground's time constant is mixed in: 15 ms in place of 10, hidden by steps of 10 ms."""
    from surefoot.engines.isaaclab.compat.newton import manager, solver_geoms

    with batch(1, "simulation=full") as env:
        feet = {geom for geoms in env.manifest.robot.foot_geoms("full") for geom in geoms}
        assert feet
        names = [path.rpartition("/")[2] for path in solver_geoms()]
        priority = manager()._solver.mjw_model.geom_priority.numpy().reshape(-1, len(names))[0]
        assert {name for name, value in zip(names, priority, strict=True) if value == 1} == feet


def test_a_geometry_is_found_whose_name_begins_those_of_others() -> None:
    """The Go2's foot `FR` has a calf and a hip that are named after it."""
    import mujoco

    from surefoot.engines.isaaclab.probe import _find

    names = ("/robot/FR_hip/FR_hip_collision1_13", "/robot/FR_calf/FR_3", "/robot/FR_calf/FR_calf_14")
    geoms = "".join(f'<geom name="{name}" size="0.1"/>' for name in names)
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{geoms}</worldbody></mujoco>")
    assert _find(model, "geom", "/FR_") == 1


def test_flags_are_those_of_the_new_state_after_a_reset() -> None:
    with batch(4, "task.resets.joint_pos=[0.0,0.0]") as env:
        env.step(torch.zeros(4, 12))
        env.reset()
        assert torch.equal(env.robot_state.read("foot_in_contact"), env.robot_state.read("foot_height") < 0)


@pytest.mark.parametrize("task", ["Surefoot-Velocity-Flat-Unitree-Go1-v0", "Surefoot-Velocity-Flat-Unitree-G1-v0"])
def test_the_lowest_point_says_what_collision_detection_says(task: str) -> None:
    """Robots in any orientation, half in the ground: every geometry, whatever its shape, against MuJoCo-Warp."""
    from surefoot.engines.isaaclab.binder import GROUND
    from surefoot.engines.isaaclab.compat.touching import GroundContacts
    from surefoot.engines.isaaclab.plane_contacts import PlaneContacts

    num, generator = 24, torch.Generator().manual_seed(7)
    with batch(num, "simulation=full" if "Go1" in task else "seed=1", task=task) as env:
        robot, chosen = env.manifest.robot, env.manifest.simulation.contact_model
        names = [geom for geoms in robot.contact_groups(chosen).values() for geom in geoms]
        assert isinstance(env.robot_state.contacts, PlaneContacts)
        quat = torch.randn(num, 4, generator=generator)
        position = env.scene.env_origins.clone()
        position[:, 2] += 0.4 * torch.rand(num, generator=generator)
        joints, zero = len(robot.joints), torch.zeros(num, 3)
        low, high = torch.tensor([joint.limits for joint in robot.joints]).T
        env.write_state(
            torch.arange(num),
            PhysicalState(
                pos_w=position,
                quat_w=quat / quat.norm(dim=1, keepdim=True),
                lin_vel_w=zero,
                ang_vel_b=zero,
                joint_pos=low + (high - low) * torch.rand(num, joints, generator=generator),
                joint_vel=torch.zeros(num, joints),
            ),
        )
        env.refresh(torch.arange(num))
        ours, reference = env.robot_state.contacts.read(), GroundContacts(names, f"{GROUND}/plane").read()
        assert 0.1 < float(reference.float().mean()) < 0.9
        assert torch.equal(ours, reference)
