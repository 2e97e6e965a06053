"""One robot follows a command schedule; what it does is measured and, if asked for, filmed."""

import contextlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.errors import SurefootError
from surefoot.mdp.command_schedule import Command, CommandSchedule
from surefoot.play.video import VideoFile, with_caption, write_picture
from surefoot.rl.policy import Policy

FRAMES_PER_SECOND = 25.0
"""Wanted; each frame shows a whole number of control steps, so the real rate may differ a little."""

CAPTION_WINDOW = 0.5
"""s; the measured velocity in the caption is the mean over this time: one stride at 2 Hz."""

SETTLED = 1.0
"""s that a command must have held before a picture may show how it is followed."""


@dataclass(frozen=True)
class Walk:
    """What the filmed robot did."""

    seconds: float
    lin_vel_error: float
    """Mean over control steps of the distance between commanded and measured vx, vy, m/s, yaw frame."""
    yaw_rate_error: float
    """Mean over control steps, rad/s."""
    falls: int
    frames: int

    def summary(self) -> str:
        """One line for the console."""
        return (
            f"{self.seconds:.1f} s, {self.frames} frames: mean error {self.lin_vel_error:.2f} m/s, "
            f"{self.yaw_rate_error:.2f} rad/s, {self.falls} falls"
        )


class Still:
    """Chooses the frame of a film in which command and motion agree best."""

    def __init__(self, dt: float) -> None:
        """Begin before the first control step; `dt` is its length, s."""
        self._dt = dt
        self._held, self._command = 0, None
        self._nearest = float("inf")

    def step(self, command: Command) -> None:
        """Count for how long the command has been in force."""
        self._held = self._held + 1 if command == self._command else 1
        self._command = command

    def takes(self, measured: Tensor, *, last: bool) -> bool:
        """Whether this frame is nearer to its command than all before; the last one where no command held long.

        Args:
            measured: vx, vy (m/s) and yaw rate (rad/s), mean over `CAPTION_WINDOW`. Shape (3,).
            last: No frame follows.
        """
        apart = (measured - torch.tensor(self._command)).norm().item()
        if self._held * self._dt < SETTLED - 1e-9:
            return last and self._nearest == float("inf")
        nearer = apart < self._nearest
        self._nearest = min(self._nearest, apart)
        return nearer


def film_length(text: str) -> float:
    """Read a film's length, s.

    Raises:
        SurefootError: Not a number from 0.1 to 3600.
    """
    with contextlib.suppress(ValueError):
        if 0.1 <= (seconds := float(text)) <= 3600:
            return seconds
    raise SurefootError(f"--seconds: expected a number from 0.1 to 3600, got {text!r}")


def film(
    env: EngineEnv,
    policy: Policy,
    schedule: CommandSchedule,
    seconds: float,
    size: tuple[int, int],
    *,
    video: Path | None = None,
    picture: Path | None = None,
) -> Walk:
    """Let environment 0 follow the schedule in simulated time; a fall starts it anew.

    Args:
        env: Built to render frames of `size`, for evaluation.
        policy: Deterministic actor.
        schedule: Commands by time.
        seconds: Simulated time.
        size: Width and height of a frame, px.
        video: MP4 file to write.
        picture: PNG file to write: the frame in which the measured velocity is nearest to a command that has held for
            `SETTLED`; where none has, the last frame.

    Raises:
        RunFolderError: A file cannot be written; `check_output` finds most reasons out before.
    """
    dt = env.manifest.simulation.step_dt
    steps = max(1, round(seconds / dt))
    stride = max(1, round(1 / (FRAMES_PER_SECOND * dt)))
    last = (steps - 1) // stride * stride
    still = Still(dt)
    recent: deque[Tensor] = deque(maxlen=max(1, round(CAPTION_WINDOW / dt)))
    errors: list[Tensor] = []
    falls = frames = 0
    chosen: np.ndarray | None = None
    _hold(env, schedule.at(0.0))
    env.reset()
    obs = env.get_observations()["actor"]
    with VideoFile(video, size, 1 / (dt * stride)) if video else contextlib.nullcontext() as out:
        for step in range(steps):
            command = schedule.at(step * dt)
            _hold(env, command)
            result = env.step(policy(obs))
            obs = result.observations["actor"]
            falls += int(result.terminated[0])
            measured = _velocity(env)
            recent.append(measured)
            errors.append(measured - torch.tensor(command))
            still.step(command)
            if step % stride:
                continue
            mean = torch.stack(tuple(recent)).mean(dim=0)
            pictured = picture is not None and still.takes(mean, last=step == last)
            if out is not None or pictured:
                frame = with_caption(np.asarray(env.render()), _caption(step * dt, command, mean))
                frames += 1
                if out is not None:
                    out.write(frame)
                if pictured:
                    chosen = frame
    if picture is not None and chosen is not None:
        write_picture(picture, chosen)
    error = torch.stack(errors)
    return Walk(
        seconds=steps * dt,
        lin_vel_error=error[:, :2].norm(dim=1).mean().item(),
        yaw_rate_error=error[:, 2].abs().mean().item(),
        falls=falls,
        frames=frames,
    )


def _hold(env: EngineEnv, command: Command) -> None:
    env.commands.hold(torch.tensor(command, device=env.device))


def _velocity(env: EngineEnv) -> Tensor:
    """vx, vy (m/s) and yaw rate (rad/s) of environment 0, yaw frame, on the CPU. Shape (3,)."""
    state = env.robot_state
    linear, angular = state.read("base_lin_vel_yaw")[0, :2], state.read("base_ang_vel_w")[0, 2:]
    return torch.cat((linear, angular)).cpu()


def _caption(time: float, command: Command, measured: Tensor) -> list[str]:
    def row(name: str, values: list[float]) -> str:
        vx, vy, yaw = values
        return f"{name} vx {vx:+.2f}  vy {vy:+.2f} m/s  yaw {yaw:+.2f} rad/s"

    return [f"{time:5.1f} s", row("command ", list(command)), row("measured", measured.tolist())]
