"""Films of Isaac Lab's own commands: `--video` of 3.0 asks recorders of the configuration, not Gymnasium's wrapper.

Without a recorder there, 3.0 puts Kit's visualiser into the configuration, and then wants Isaac Sim. Ours is drawn by
MuJoCo, from the states that any backend computes.
"""

import importlib.util
from pathlib import Path
from typing import Any

from surefoot.engines.video_file import VideoFile
from surefoot.errors import EngineError

SOURCE = "surefoot:mujoco"
"""Isaac Lab's own sources are `visualizer...` and `sensor:...`."""


def recorders() -> dict[str, Any]:
    """The field of the configuration that names recorders, where the version has one.

    It records only once `--video` has told it where to.
    """
    if importlib.util.find_spec("isaaclab.envs.utils.video_recorder_cfg") is None:
        return {}
    from isaaclab.envs.utils.video_recorder_cfg import VideoRecorderCfg

    return {"video_recorders": [VideoRecorderCfg(source=SOURCE, video_interval=2000)]}


def take_ours(cfg: Any) -> list[Any]:
    """Take the recorders that MuJoCo draws for out of a configuration; those that are to record are returned."""
    given = getattr(cfg, "video_recorders", None)
    if not given:
        return []
    cfg.video_recorders = [recorder for recorder in given if recorder.source != SOURCE]
    return [recorder for recorder in given if recorder.source == SOURCE and recorder.output_dir is not None]


class Film:
    """One stream of clips; `step` is called after each control step.

    Args:
        cfg: Isaac Lab's `VideoRecorderCfg`: where to, how long a clip is, how many steps lie between two of them.
        draw: Gives a frame, uint8. Shape (height, width, 3).
        size: Width and height, px.
        fps: Control steps in a second.
    """

    def __init__(self, cfg: Any, draw: Any, size: tuple[int, int], fps: float) -> None:
        self._cfg, self._draw, self._size = cfg, draw, size
        self._fps = (cfg.fps or fps) / (1 if cfg.fps else cfg.frame_stride)
        self._folder = Path(cfg.output_dir)
        self._steps = self._left = 0
        self._file: VideoFile | None = None

    def step(self) -> None:
        """Begin a clip where one is due, and add a frame to the one that runs."""
        since = self._steps - self._cfg.step_offset
        self._steps += 1
        every = self._cfg.video_interval
        if since == 0 or (since > 0 and every > 0 and since % every == 0):
            self.close()
            self._begin()
        if self._file is None:
            return
        if (self._cfg.video_length - self._left) % self._cfg.frame_stride == 0:
            self._file.write(self._draw())
        self._left -= 1
        if self._left == 0:
            self.close()

    def close(self) -> None:
        """Finish the clip that runs."""
        if self._file is not None:
            file, self._file = self._file, None
            file.__exit__(None, None, None)
            self._forget_old()

    def _begin(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        index = 1 + max((int(path.stem.rpartition("_")[2]) for path in self._clips()), default=-1)
        path = self._folder / f"{self._cfg.output_filename_prefix}_{index:04d}.mp4"
        self._file, self._left = VideoFile(path, self._size, self._fps).__enter__(), self._cfg.video_length

    def _clips(self) -> list[Path]:
        found = self._folder.glob(f"{self._cfg.output_filename_prefix}_*.mp4")
        return sorted(path for path in found if path.stem.rpartition("_")[2].isdigit())

    def _forget_old(self) -> None:
        keep = self._cfg.keep_last_n_clips
        for path in self._clips()[:-keep] if keep else []:
            path.unlink(missing_ok=True)


def refuse_undrawable(name: str) -> EngineError:
    """Build, without raising, the error for a robot that MuJoCo cannot draw."""
    return EngineError(
        f"--video: robot {name!r} has no MJCF for MuJoCo to draw. Film it with Isaac Lab's own renderer: empty the "
        "list env_cfg.video_recorders in a configuration of your own, and name a visualiser, --viz newton_gl."
    )
