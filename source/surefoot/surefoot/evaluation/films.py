"""Films of the worst cells: the same episode again, one robot, with a picture of every other control step or so."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from surefoot.engines.base import EngineEnv, make_env
from surefoot.engines.opengl import choose_opengl
from surefoot.errors import PanelError
from surefoot.evaluation.conditions import panel_conditions, panel_manifest
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.report import PanelReport
from surefoot.evaluation.rollout import PanelResult
from surefoot.machine import Machine
from surefoot.manifest import Manifest
from surefoot.play.film import FRAMES_PER_SECOND
from surefoot.play.video import VideoFile, check_output, with_caption
from surefoot.rl.policy import Policy, load_policy
from surefoot.runs.checkpoint import Checkpoint

SIZE = (640, 480)
"""Width and height, px."""
_AFTER_END = 1.0
"""s that a film goes on after a fall."""


def check_films(count: int, panel: Panel, out: Path) -> None:
    """Refuse films that could not be made, before the evaluation is spent on them.

    Raises:
        PanelError: Too many, or the panel is drawn.
        RunFolderError: They could not be written.
        MissingExtra: No OpenGL that draws without a screen.
    """
    if panel.drawn:  # what a robot draws depends on its number in the batch, and a film has a batch of one
        raise PanelError(f"--films: panel {panel.name} draws its conditions; films need a panel that imposes them.")
    if not 1 <= count <= len(panel.cells):
        raise PanelError(f"--films: expected 1 to {len(panel.cells)}, the panel's cells, got {count}.")
    check_output(out.with_name(f"{out.stem}_film.mp4"), ".mp4")
    choose_opengl()


def film_worst(
    checkpoint: Checkpoint,
    task: Manifest,
    report: PanelReport,
    machine: Machine,
    count: int,
    out: Path,
) -> Iterator[Path]:
    """Film an episode of each of the worst cells, beside the report.

    It is the cell's episode with the earliest fall, or else with the largest error. Draws are those of the evaluation;
    in a batch of one the policy's sums may round differently, so that after some seconds the motion may differ.
    """
    result = report.result
    manifest = panel_manifest(task, result.panel, result.panel.seed)
    conditions = panel_conditions(result.panel, manifest)
    policy = load_policy(checkpoint, manifest, machine.device)
    names = list(result.panel.cells)
    # The report has the worst cells first.
    for cell in report.plain["cells"][:count]:
        row = names.index(cell["name"])
        replicate = _worst_episode(result, row)
        chosen = conditions.rows(torch.tensor([row * result.panel.replicates + replicate]))
        env = make_env(machine, manifest, render=SIZE, evaluation=True, conditions=chosen)
        path = out.with_name(f"{out.stem}_{cell['name']}.mp4")
        try:
            _film(env, policy, path, cell["name"], result.panel.duration)
        finally:
            env.close()
        yield path


def _worst_episode(result: PanelResult, row: int) -> int:
    episodes = result.episodes
    ends = torch.where((episodes.valid & episodes.failed)[row], episodes.survival_time[row], torch.inf)
    if torch.isfinite(ends).any():
        return int(ends.argmin())
    return int(episodes.lin_vel_error[row].nan_to_num(-1.0).argmax())


@torch.no_grad()
def _film(env: EngineEnv, policy: Policy, path: Path, name: str, duration: float) -> None:
    dt = env.manifest.simulation.step_dt
    stride = max(1, round(1 / (FRAMES_PER_SECOND * dt)))
    env.reset()
    obs, ended = env.get_observations()["actor"], None
    with VideoFile(path, SIZE, 1 / (dt * stride)) as video:
        for step in range(round(duration / dt)):
            result = env.step(policy(obs))
            obs = result.observations["actor"]
            if ended is None and bool(result.terminated[0]):
                ended = step
            if ended is not None and (step - ended) * dt > _AFTER_END:
                break
            if step % stride == 0:
                fate = "" if ended is None else "  fell; a new start"
                vx, vy, yaw = env.robot_state.read("command")[0].tolist()
                lines = [f"{name}  {step * dt:4.1f} s{fate}", f"command {vx:+.2f} {vy:+.2f} m/s {yaw:+.2f} rad/s"]
                video.write(with_caption(np.asarray(env.render()), lines))
