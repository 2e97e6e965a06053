"""MuJoCo C on the thread pool and MuJoCo-Warp on the CPU are the same task.

The first run compiles MuJoCo-Warp's kernels, about a minute; later runs take them from Warp's cache.
"""

import pytest
import torch

from cases import largest, random_actions, roll, small_env

PUSHES = ["randomization.push.interval=[0.2,0.5]", "randomization.push.lin_vel_xy=0.3"]
# The two agree where their solvers have converged; stopped after few iterations each is somewhere else.
CONVERGED = {"lean": (10, 20), "full": (100, 50)}


@pytest.mark.parametrize(
    ("simulation", "delay", "motors"),
    [
        *((simulation, delay, "implicit_pd") for delay in ("[0,0]", "[1,3]") for simulation in ("lean", "full")),
        ("lean", "[1,3]", "dc_motor"),
    ],
)
def test_agrees_with_warp_over_50_steps(simulation: str, delay: str, motors: str):
    iterations, line_search = CONVERGED[simulation]
    overrides = [
        f"simulation={simulation}",
        f"simulation.iterations={iterations}",
        f"simulation.ls_iterations={line_search}",
        f"task.actions.delay_steps={delay}",
        f"robot.motors={motors}",
        *PUSHES,
    ]
    actions = random_actions(50, 8, scale=0.3)
    results = [roll(small_env(8, *overrides, warp_on_cpu=warp), actions) for warp in (False, True)]
    ours, reference = results
    assert ours.done.equal(reference.done)
    assert largest(ours.qpos[..., 7:], reference.qpos[..., 7:]) < 1e-4
    assert largest(ours.reward, reference.reward) < 1e-3
    assert largest(ours.qpos[0], ours.qpos[-1]) > 0.1  # the robots did move


def test_resets_draw_the_same_in_both():
    # All episodes are one step long, so every step resets every environment.
    overrides = ["task.episode_length=0.02"]
    actions = random_actions(3, 8, scale=0.3)
    ours, reference = (roll(small_env(8, *overrides, warp_on_cpu=warp), actions) for warp in (False, True))
    assert ours.done.all() and reference.done.all()
    assert largest(ours.qpos, reference.qpos) < 1e-5
    assert largest(ours.actor, reference.actor) < 1e-4
    assert not torch.equal(ours.qpos[0], ours.qpos[1])
