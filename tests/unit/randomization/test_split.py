"""Environments that are split across processes draw what they draw in one."""

import subprocess
import sys
from pathlib import Path

import torch

FIRST_PROCESS, SECOND_PROCESS = 5, 3
WORKER = """
import sys
import torch
from surefoot.manifest import compose_manifest
from surefoot.mdp.commands import VelocityCommands
from surefoot.mdp.noise import ObservationNoise
from surefoot.randomization.pushes import Pushes
from surefoot.randomization.resets import sample_reset
from surefoot.randomization.streams import Streams
from surefoot_tasks import manifest_root

def draws(num_envs, first_env):
    manifest = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0")
    streams = Streams(1, num_envs, "cpu", first_env=first_env)
    commands = VelocityCommands(manifest.task.commands, torch.zeros(num_envs, 3), streams)
    pushes = Pushes(manifest.randomization.push, num_envs, streams)
    noise = ObservationNoise(manifest, "actor", streams)
    rows = [streams.uniform("startup", None, 3, per_episode=False)]
    for episode in range(2):
        env_ids = torch.arange(num_envs)
        streams.begin_episode(env_ids)
        pushes.reset(env_ids)
        commands.reset(env_ids)
        start = sample_reset(manifest.task.resets, env_ids, 12, streams)
        rows += [value.reshape(num_envs, -1) for value in vars(start).values()]
        for step in range(50):
            commands.step(0.5)
            kicked, change = pushes.step(0.5)
            velocity = torch.zeros(num_envs, 3)
            velocity[kicked] = change
            rows += [commands.buffer.clone(), velocity, noise.draw(torch.full((num_envs,), step))]
    return torch.cat(rows, dim=1)

torch.save(draws(int(sys.argv[1]), int(sys.argv[2])), sys.argv[3])
"""


def start(num_envs: int, first_env: int, path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(num_envs), str(first_env), str(path)])


def test_two_processes_draw_what_one_draws(tmp_path: Path) -> None:
    total = FIRST_PROCESS + SECOND_PROCESS
    workers = {
        "first": start(FIRST_PROCESS, 0, tmp_path / "first"),
        "second": start(SECOND_PROCESS, FIRST_PROCESS, tmp_path / "second"),
        "whole": start(total, 0, tmp_path / "whole"),
    }
    assert [worker.wait(timeout=120) for worker in workers.values()] == [0, 0, 0]
    first, second, whole = (torch.load(tmp_path / name) for name in workers)
    assert torch.equal(torch.cat((first, second)), whole)
    assert len(whole[:, :3].unique()) == 3 * total  # nobody drew what another did
