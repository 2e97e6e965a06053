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
