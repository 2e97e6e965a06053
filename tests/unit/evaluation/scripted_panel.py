"""A panel's environments whose motion is written down by the test; commands, kicks and random draws are the real ones.

As on a real engine, kicks and resets come at the end of a step, after what the accounts read was set aside. What can be
read of the base afterwards is nonsense here (77 m/s after a kick, 99 m/s after a reset), so that a sample taken from it
cannot go unnoticed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from scripted_env import FEET, JOINTS, NEXT_EPISODE, Moment, ScriptedState, go1
from surefoot.audit.accounts.fault_kinds import KINDS
from surefoot.audit.accounts.observe import audit_step
from surefoot.engines.base import EngineEnv
from surefoot.engines.step import StepResult
from surefoot.evaluation.conditions import panel_conditions, panel_manifest
from surefoot.evaluation.drawn import drawn_manifest
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.panel_files import read_panel
from surefoot.evaluation.rollout import PanelResult, run_cells
from surefoot.manifest import Manifest
from surefoot.mdp.commands import VelocityCommands
from surefoot.mdp.prescribed_kicks import PrescribedKicks
from surefoot.randomization.buckets import Buckets
from surefoot.randomization.pushes import Pushes
from surefoot.randomization.streams import Streams

DT = 0.02
KICKED = 77.0
CAUSES = ("time_out", "base_contact", "tilted", "out_of_bounds")
"""Terminations of the shipped task."""


@dataclass
class PanelMoment(Moment):
    """What a robot does in one control step; beside a `Moment` its feet and the causes that hold."""

    foot_vel_w: Tensor = field(default_factory=lambda: torch.zeros(0))
    foot_down: Tensor = field(default_factory=lambda: torch.zeros(0))
    causes: Tensor = field(default_factory=lambda: torch.zeros(0))

    @classmethod
    def still(cls, n: int) -> "PanelMoment":
        return cls(
            **vars(Moment.still(n)),
            foot_vel_w=torch.zeros(n, FEET, 3),
            foot_down=torch.zeros(n, FEET, dtype=torch.bool),
            causes=torch.zeros(n, len(CAUSES), dtype=torch.bool),
        )

    def fall(self, env: int, *causes: str) -> None:
        """A robot falls in this step."""
        self.failed[env] = True
        for cause in causes or ("base_contact",):
            self.causes[env, CAUSES.index(cause)] = True


class PanelState(ScriptedState):
    """Shows the current moment."""

    now: PanelMoment

    def __init__(self, manifest: Manifest, num_envs: int) -> None:
        super().__init__(manifest, num_envs)
        self.now = PanelMoment.still(num_envs)

    def raw_foot_vel_w(self) -> Tensor:
        return self.now.foot_vel_w

    def raw_foot_in_contact(self) -> Tensor:
        return self.now.foot_down


class ScriptedPanelEnv(EngineEnv):
    """Plays `script`: moment k is what `step` number k (from 1) leads to."""

    def __init__(self, script: list[PanelMoment], panel: Panel, mass: float = 12.0) -> None:
        self.manifest = drawn_manifest(go1(), panel) if panel.drawn else panel_manifest(go1(), panel, panel.seed)
        conditions = panel_conditions(panel, self.manifest)
        self.num_envs, self.device = conditions.num_envs, "cpu"
        self.robot_state = PanelState(self.manifest, self.num_envs)
        self.streams = Streams(0, self.num_envs, "cpu", keys=None if panel.drawn else conditions.keys)
        imposed = None if panel.drawn else conditions.factors
        self.buckets = Buckets(self.manifest.randomization, self.streams, imposed=imposed)
        self.commands = VelocityCommands(self.manifest.task.commands, self.robot_state.command, self.streams)
        self.commands.follow(conditions.timetable)
        self.pushes = PrescribedKicks(conditions.kicks, self.robot_state)
        if panel.drawn:
            self.pushes = Pushes(self.manifest.randomization.push, self.num_envs, self.streams)
            self.pushes.enabled = False
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.ground = self.terrain_levels = None
        self.kicks: list[tuple[int, int, list[float]]] = []
        """Step, environment, change in the world frame."""
        self._script, self._mass, self._step = script, mass, 0

    def reset(self) -> dict[str, Tensor]:
        everyone = torch.arange(self.num_envs)
        self._step = 0
        self.streams.begin_episode(everyone)
        self.robot_state.gait.reset(everyone, torch.zeros(self.num_envs))
        if self.pushes.enabled:
            self.pushes.reset(everyone)
        self.commands.reset(everyone)
        self.robot_state.invalidate()
        return self.get_observations()

    def get_observations(self) -> dict[str, Tensor]:
        return {"actor": self.robot_state.read("command").clone()}

    def step(self, action: Tensor) -> StepResult:
        state, moment = self.robot_state, self._script[self._step]
        self._step += 1
        state.now = moment
        state.gait.step()
        state.invalidate()
        faults = torch.zeros(self.num_envs, len(KINDS), dtype=torch.bool)
        faults[:, 0] = moment.broken
        seen = audit_step(
            state,
            rates=torch.zeros(self.num_envs, 1),
            reward=torch.zeros(self.num_envs),
            causes=moment.causes,
            terminated=moment.failed,
            truncated=moment.timed_out,
            fault=faults,
            bucket=self.buckets.ids,
            episode_steps=torch.full((self.num_envs,), self._step),
            action=action,
        )
        velocity = moment.lin_vel_yaw.clone()
        env_ids, change = self.pushes.step(DT) if self.pushes.enabled else (torch.zeros(0).long(), torch.zeros(0, 3))
        self.kicks += [(self._step, env, row) for env, row in zip(env_ids.tolist(), change.tolist(), strict=True)]
        velocity[env_ids] = KICKED
        velocity[moment.failed | moment.timed_out | moment.broken] = NEXT_EPISODE
        state.now = replace(moment, lin_vel_yaw=velocity)
        if len(env_ids) > 0:
            state.now.foot_vel_w = moment.foot_vel_w.clone()
            state.now.foot_vel_w[env_ids] += KICKED
        self.commands.step(DT)
        state.invalidate()
        truncated = moment.timed_out & ~moment.failed
        return StepResult(
            self.get_observations(), seen.reward, moment.failed, truncated, faults, faults.any(dim=1), seen
        )

    def total_mass(self) -> Tensor:
        return torch.full((self.num_envs,), self._mass)


def idle(obs: Tensor) -> Tensor:
    """Action 0."""
    return torch.zeros(obs.shape[0], JOINTS)


START = {"position_xy": [0, 0], "yaw": [0, 0], "lin_vel": [0, 0], "ang_vel": [0, 0], "joint_pos": [0, 0],
         "joint_vel": [0, 0]}  # fmt: skip
WHY = "a cell that a test made for itself"


def panel_of(cells: dict[str, dict] | None = None, steps: int = 10, **changes) -> Panel:
    """A panel of some control steps; every cell commands 0.5 m/s forward unless it says otherwise."""
    plain = {
        "schema_version": 1, "name": "test_v1", "why": "a panel that a test made for itself", "robots": ["unitree_go1"],
        "seed": 0, "replicates": 1, "duration": steps * DT, "warm_up": 0.0,
        "success": {"lin_vel_error": 0.3, "yaw_rate_error": 0.3}, "start": START,
        "nominal": {"why": WHY, "friction": 0.8, "commands": [[0, 0.5, 0, 0]]},
        "cells": cells or {"only": {}},
    }  # fmt: skip
    return read_panel(plain | changes)


def drawn_panel(commands: list[tuple[float, float, float]], steps: int = 10, **changes) -> Panel:
    """A panel of held commands, everything else as in training."""
    cells = {f"c{place}": {"why": WHY, "control": True, "commands": [[0, *row]]} for place, row in enumerate(commands)}
    plain = {
        "schema_version": 1, "name": "test_v1", "why": "a panel that a test made for itself", "drawn": True,
        "seed": 0, "replicates": 1, "duration": steps * DT, "warm_up": 0.0,
        "success": {"lin_vel_error": 0.2, "yaw_rate_error": 0.2}, "cells": cells,
    }  # fmt: skip
    return read_panel(plain | changes)


def still(steps: int, panel: Panel) -> list[PanelMoment]:
    """Robots that stand."""
    return [PanelMoment.still(panel.num_envs) for _ in range(steps)]


def walking(panel: Panel, speeds: list[float], forward: float = 0.5) -> list[PanelMoment]:
    """Robots that walk forward at `forward` m/s and some more, given for each step."""
    script = still(len(speeds), panel)
    for moment, speed in zip(script, speeds, strict=True):
        moment.lin_vel_yaw[:, 0] = forward + speed
    return script


def play(
    script: list[PanelMoment], panel: Panel, policy: Callable[[Tensor], Tensor] = idle, mass: float = 12.0
) -> PanelResult:
    """Run a panel on a script."""
    return run_cells(ScriptedPanelEnv(script, panel, mass), policy, panel)


def only(index: int, n: int) -> Tensor:
    """True at one place."""
    return torch.arange(n) == index
