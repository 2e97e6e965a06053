"""Contact flags belong to the state that the terms see, not to the physics step before."""

import pytest
import torch

from live import batch


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
            torch.arange(num), pos_w=position, quat_w=quat / quat.norm(dim=1, keepdim=True), lin_vel_w=zero,
            ang_vel_b=zero, joint_pos=low + (high - low) * torch.rand(num, joints, generator=generator),
            joint_vel=torch.zeros(num, joints),
        )  # fmt: skip
        env.refresh(torch.arange(num))
        ours, reference = env.robot_state.contacts.read(), GroundContacts(names, f"{GROUND}/plane").read()
        assert 0.1 < float(reference.float().mean()) < 0.9
        assert torch.equal(ours, reference)
