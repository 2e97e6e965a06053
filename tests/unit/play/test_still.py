"""Which frame of a film becomes the picture."""

import torch

from surefoot.play.film import Still


def chosen(commands: list[float], speeds: list[float], dt: float = 0.5) -> int:
    """Frame that is kept, of steps of `dt` s with a commanded and a measured vx."""
    still, kept = Still(dt), -1
    for step, (command, speed) in enumerate(zip(commands, speeds, strict=True)):
        still.step((command, 0.0, 0.0))
        if still.takes(torch.tensor([speed, 0.0, 0.0]), last=step == len(commands) - 1):
            kept = step
    return kept


def test_the_nearest_frame_of_a_command_that_has_held_for_a_second() -> None:
    # Steps 0 and 3 agree exactly, but their commands have only begun; of the others step 2 is 0.1 away, 1 and 4 0.3.
    assert chosen([0.5, 0.5, 0.5, 1.0, 1.0], [0.5, 0.2, 0.4, 1.0, 0.7]) == 2


def test_a_change_of_the_command_is_never_pictured() -> None:
    assert chosen([0.5, 0.5, 1.0], [0.9, 0.9, 1.0]) == 1


def test_a_film_without_such_a_moment_has_its_last_frame() -> None:
    assert chosen([0.5, 1.0, 0.5], [0.5, 1.0, 0.0]) == 2
