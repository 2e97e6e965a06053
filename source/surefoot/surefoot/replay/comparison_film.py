"""A film of a replay: left the robot as it was recorded, right the simulation in the best bucket."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from surefoot.engines.base import EngineEnv, make_env
from surefoot.engines.opengl import choose_opengl
from surefoot.machine import Machine
from surefoot.play.film import FRAMES_PER_SECOND
from surefoot.play.video import VideoFile, check_output, with_caption
from surefoot.replay.motors import sample_gains
from surefoot.replay.trace_run import ReplayResult, bucket_conditions
from surefoot.replay.window_rollout import Replay
from surefoot.replay.windows import Windows, interpolated, interpolated_quat
from surefoot.traces.card import TraceCard
from surefoot.traces.trace import FloatArray

if TYPE_CHECKING:
    from surefoot.engines.drawing import Drawer

SIZE = (480, 480)
"""Width and height of each half, px."""


def check_film(path: Path) -> None:
    """Refuse a film that could not be made, before the replay is spent on it; call before an engine is loaded.

    Raises:
        RunFolderError: It could not be written.
        MissingExtra: No OpenGL that draws without a screen.
    """
    check_output(path, ".mp4")
    choose_opengl()


def film(
    result: ReplayResult, path: Path, card: TraceCard | None = None, seconds: float = 10.0, device: str = "cpu"
) -> int:
    """Write the film; returns the number of frames.

    The left half is drawn from the log, nothing is simulated. The right half is the replay again, in its engine, with
    one robot; like there, it starts from the log's state at the beginning of each window.

    Args:
        result: A replay in any engine.
        path: MP4 file.
        card: As in the replay.
        seconds: At most so much of the log, in whole windows.
        device: `cpu` or `cuda:N`.
    """
    from surefoot.engines.drawing import Drawer  # imports MuJoCo: only now

    best, manifest = result.evidence.best, result.manifest
    values = {name: column[best : best + 1] for name, column in result.values.items()}
    every = result.windows.num_steps * result.windows.step_dt
    # Whole windows: the last one would end in the middle of a motion.
    shown = result.windows.start[: max(1, round(seconds / every))]
    windows = Windows(shown, result.windows.num_steps, result.windows.step_dt)
    conditions = bucket_conditions(values, windows=1)
    machine = Machine(result.engine, device)
    env = make_env(machine, manifest, render=SIZE, evaluation=True, conditions=conditions, single_steps=True)
    recorded = Drawer(manifest.robot, SIZE)
    try:
        # Whole control steps between frames; the file's rate follows, so that time is true.
        stride = max(1, round(1 / (FRAMES_PER_SECOND * windows.step_dt)))
        with VideoFile(path, (2 * SIZE[0], SIZE[1]), 1 / (windows.step_dt * stride)) as video:
            frames = _Frames(result, windows, recorded, env, video, stride)
            delay = torch.tensor(values["control_delay"]).long()
            replay = Replay(env, 1, delay, on_step=frames.step, lead=result.lead)
            replay.run(
                result.trace, result.base, windows, result.mode, sample_gains(result.trace, manifest.robot, card)
            )
    finally:
        recorded.close()
        env.close()
    return frames.count


class _Frames:
    """Draws both robots at control steps of the windows, one after another."""

    def __init__(
        self,
        result: ReplayResult,
        windows: Windows,
        recorded: "Drawer",
        simulated: EngineEnv,
        video: VideoFile,
        stride: int,
    ) -> None:
        self._recorded, self._simulated, self._video, self._stride = recorded, simulated, video, stride
        self._at, self.count = 0, 0
        trace, base, joints = result.trace, result.base, result.manifest.robot.joint_names

        def line(values: FloatArray) -> FloatArray:
            found = interpolated(trace, windows, values, dt=windows.step_dt, count=windows.num_steps + 1)[1:]
            return found.swapaxes(0, 1).reshape(-1, values.shape[1])  # window after window

        quat = interpolated_quat(trace, windows, base.quat_w, dt=windows.step_dt, count=windows.num_steps + 1)[1:]
        self._pose = (line(base.pos_w), quat.swapaxes(0, 1).reshape(-1, 4), line(trace.get("q", joints)))
        self._time = line(trace.time[:, None])[:, 0]
        label, every = result.labels[result.evidence.best], windows.num_steps * windows.step_dt
        self._captions = (
            ["recorded"],
            [f"simulated ({result.engine}), from the", f"log's state every {every:.2f} s", *label.split(" | ")],
        )

    def step(self) -> None:
        """After a control step of the simulation."""
        at, self._at = self._at, self._at + 1
        if at % self._stride:
            return
        frames = (self._recorded.frame(*(values[at] for values in self._pose)), np.asarray(self._simulated.render()))
        halves = [
            with_caption(frame, [f"{self._time[at]:6.2f} s  {lines[0]}", *lines[1:]])
            for frame, lines in zip(frames, self._captions, strict=True)
        ]
        self._video.write(np.concatenate(halves, axis=1))
        self.count += 1
