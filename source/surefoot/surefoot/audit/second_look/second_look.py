"""The environments once more: what a step gave against what the manifest says of the state that the simulator holds.

Every step: clocks, commands and starts. At the last step of the first iterations and of every `EVERY`-th, a look:
reward terms, ends and observations are computed again from RobotState, motors are held against their law, robots
against each other, the model in the simulator against the recorded factors. Sums stay on the device until `findings`
reads them, once an iteration.

Axis letters: N environments, T reward terms, C termination causes, D columns.
"""

import math
from collections.abc import Mapping
from typing import Any, get_args

import torch
from torch import Tensor

from surefoot.audit.accounts.step import AuditStep
from surefoot.audit.accounts.sums import Sums
from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.draws import MAX_Z, UniformDraws
from surefoot.audit.second_look.task_again import ColumnsAgain, TaskAgain
from surefoot.mdp.frames import gravity_direction, quat_from_yaw, rotate
from surefoot.mdp.observation_layout import GroupName

EVERY = 8
"""Iterations from look to look."""
FIRST = 12
"""Iterations at the start of a process that are all looked at: most mistakes are there from the beginning."""
WINDOW = 100
"""Looks after which sums of draws begin anew, so that what begins late is not drowned."""
TOLERANCE = 1e-3
"""Share of the largest value in the batch that rounding may explain; single precision leaves about 1e-6."""
LYING_S = 1.0
"""s with the base's vertical axis more than `LYING` off the world's, from which on a robot lies."""
LYING = -0.2
"""z of gravity's direction in the base's frame: 78 degrees off."""
PATIENCE = 3
"""Looks in a row without which rows of single environments are not taken for a defect."""


class SecondLook:
    """Looks at environments of ours; reads them and changes nothing.

    Args:
        env: The environments.
    """

    def __init__(self, env: Any) -> None:
        manifest, state = env.manifest, env.robot_state
        self._env, self._manifest, self._state = env, manifest, state
        self._task = TaskAgain(manifest, state)
        self._columns = {name: ColumnsAgain(manifest, name, state) for name in get_args(GroupName)}
        self._dt, device, n = manifest.simulation.step_dt, env.device, env.num_envs
        task, robot = manifest.task, manifest.robot
        self._terms, self._causes = tuple(task.rewards), tuple(task.terminations)
        self._is_time_out = torch.tensor([t.kind == "time_out" for t in task.terminations.values()], device=device)
        shapes: dict[str, tuple[int, ...]] = {
            "rates": (len(self._terms),), "causes": (len(self._causes),), "kinds": (len(self._causes),),
            "unexplained": (), "clock": (), "command_early": (), "command_late": (), "command_clock": (),
            "frozen": (), "copies": (), "lying": (), "motor": (len(robot.joints),), "identity": (4,), "bucket": (),
            "motion": (2, 3), "vacuous": (), "looked": (), "drawn": (), "standing": (), "repeated": (),
            "stale_factor": (len(env.buckets.values),),
            "touching": (len(robot.feet),), "low": (),
        }  # fmt: skip
        for name, group in self._columns.items():
            shapes |= {f"{name}/off": (len(group.names),), f"{name}/least": (len(group.names),)}
            shapes |= {f"{name}/most": (len(group.names),), f"{name}/lag": (len(group.names),)}
        self._sums = Sums(shapes, device)
        self._draws = self._declared(device)
        self._looks = 0
        self._begun = 0
        self.due = False
        """A look is taken in this iteration."""
        self._compact = torch.device(env.device).type == "cpu"
        self._model: tuple[tuple[str, ...], Tensor] | None = None
        """Of the last look: what the simulator's model holds that it should not."""
        self._age = torch.full((n,), -1, dtype=torch.int64, device=device)
        """Control steps since the command was last drawn; below 0 where that was not seen."""
        self._tilted = torch.zeros(n, dtype=torch.int64, device=device)
        self._before: tuple[Tensor, ...] = ()
        self._noise_before: dict[str, Tensor] = {}
        self._hash = torch.linspace(0.5, 1.5, len(robot.joints), dtype=torch.float64, device=device).sqrt()
        self._starts_seen = torch.full((2048,), torch.nan, dtype=torch.float64, device=device)
        self._start_at = 0
        self._commands: list[Tensor] = []
        self._starts: list[Tensor] = []
        self._limits = _intervals(manifest, env)
        for name in self._columns:
            self._sums[f"{name}/most"].fill_(-torch.inf)
            self._sums[f"{name}/least"].fill_(-torch.inf)
        self._streaks: dict[tuple[str, str], int] = {}
        self.action = torch.zeros(n, len(robot.joints), device=device)
        """What the policy gave in this step; set by whoever steps."""
        env.before_resets = self.before_resets

    def _declared(self, device: Any) -> dict[str, UniformDraws]:
        commands, resets, robot = self._manifest.task.commands, self._manifest.task.resets, self._manifest.robot
        axes = ("lin_vel_x", "lin_vel_y", "ang_vel_z")
        command = [getattr(commands, axis) for axis in axes]
        parts: list[tuple[str, tuple[float, float]]] = [(f"position_{axis}", resets.position_xy) for axis in "xy"]
        width = min(resets.yaw[1] - resets.yaw[0], 2 * math.pi)
        parts += [("yaw", (0.0, width))]  # from the lower end on, so that a whole turn has one beginning
        parts += [(f"lin_vel_{axis}", resets.lin_vel) for axis in "xyz"]
        parts += [(f"ang_vel_{axis}", resets.ang_vel) for axis in "xyz"]
        parts += [(f"joint_pos {joint.name}", resets.joint_pos) for joint in robot.joints]
        parts += [(f"joint_vel {joint.name}", resets.joint_vel) for joint in robot.joints]
        found = {
            "command": UniformDraws(axes, [low for low, _ in command], [high for _, high in command], device),
            "start": UniformDraws([n for n, _ in parts], [b[0] for _, b in parts], [b[1] for _, b in parts], device),
        }
        for name, group in self._columns.items():
            noisy = group.known & (group.amplitude > 0)
            columns = [column for column, counts in zip(group.names, noisy.tolist(), strict=True) if counts]
            high = group.amplitude[noisy].tolist()
            found[f"noise/{name}"] = UniformDraws(columns, [-value for value in high], high, device)
        factors = self._manifest.randomization.factors
        self._spread_names = [
            name
            for name in self._env.buckets.values
            if factors[name].edges[0] < factors[name].edges[-1] and not name.endswith("_delay")
        ]
        self._edges = {
            name: torch.tensor(factors[name].edges, dtype=torch.float64, device=device) for name in self._spread_names
        }
        if self._spread_names:
            count = len(self._spread_names)
            found["factor"] = UniformDraws(self._spread_names, [0.0] * count, [1.0] * count, device)
        return found

    def begin_iteration(self, iteration: int) -> None:
        """Looks are taken in the iteration that begins, or not."""
        if self._begun == 0:
            self._begin_at_present()
        self._begun += 1
        self.due = self._begun <= FIRST or iteration % EVERY == 0

    def _begin_at_present(self) -> None:
        """What is compared with the next step; not earlier, because a resumed run puts its environments back first."""
        env = self._env
        self._clock = env.episode_length_buf.clone()
        self._command, self._left = self._state.command.clone(), env.commands.time_left.clone()
        self._episode = env.streams.episode.clone()
        self._values = {name: value.clone() for name, value in env.buckets.values.items()}

    # Every step.

    def before_resets(self, seen: AuditStep) -> None:
        """Rewards and ends of a step, with the state that they were computed from. Called by the environment."""
        if not self._looking:
            return
        valid, sums = ~seen.fault.any(dim=1), self._sums
        rates = self._task.rates(self._env.samples)
        _raise(sums["rates"], _relative(seen.rates, rates, valid))
        count = len(self._causes)  # what Python code added to the task comes after them
        causes, given = self._task.causes(), seen.causes[:, :count]
        sums["causes"].add_(((causes != given) & valid.unsqueeze(1)).sum(dim=0))
        failed = (given & ~self._is_time_out).any(dim=1)
        timed_out = (given & self._is_time_out).any(dim=1) & ~failed
        if seen.causes.shape[1] == count:
            wrong = valid & ((seen.terminated != failed) | (seen.truncated != timed_out))
            sums["kinds"].add_((given & wrong.unsqueeze(1)).sum(dim=0))
            sums["unexplained"].add_((wrong & ~given.any(dim=1)).sum())
        self._vacuous(seen, valid)

    def _vacuous(self, seen: AuditStep, valid: Tensor) -> None:
        """Robots that a success would ask nothing of."""
        speed = self._state.read("command")[:, :2].square().sum(dim=1).sqrt()
        self._sums["vacuous"].add_(((speed <= self._manifest.audit.success_error) & valid).sum() / len(valid))

    _looking = _last = False

    def step(self, number: int, last: int) -> None:
        """Before a control step, the `number`-th of `last` in its iteration, from 0."""
        self._last = number == last - 1
        self._looking = self.due and self._last
        if self.due and number >= last - 2:
            state = self._state
            parts = (state.raw_joint_pos(), state.raw_base_pos_w(), state.raw_joint_vel(), state.raw_base_lin_vel_w())
            self._before = tuple(part.clone() for part in parts)

    def after(self, seen: AuditStep, observations: Mapping[str, Tensor]) -> None:
        """After a control step, its resets, and the observations."""
        ended = seen.terminated | seen.truncated | seen.fault.any(dim=1)
        now, sums = self._env.episode_length_buf, self._sums
        sums["clock"].add_((now != torch.where(ended, 0, self._clock + 1)).sum())
        self._clock.copy_(now)
        self._follow_commands(ended)
        self._follow_starts(ended)
        if self._last:
            down = self._state.read("projected_gravity_b")[:, 2] > LYING
            self._tilted = torch.where(down & ~ended, self._tilted + 1, 0)
        if self._looking:
            self._look(ended, observations)

    def _follow_commands(self, ended: Tensor) -> None:
        command, commands, sums = self._state.command, self._manifest.task.commands, self._sums
        if self._env.commands.held:
            return
        left, age = self._env.commands.time_left, self._age
        changed, seen = (command != self._command).any(dim=1), age >= 0
        within = changed & ~ended
        low, high = (bound / self._dt for bound in commands.resampling_time)
        if self.due:
            # A countdown that has run out in this step was started anew.
            ran = (left - (self._left - self._dt)).abs() <= 1e-3 * self._dt
            sums["command_clock"].add_((~(ended | within | ran) & (self._left > self._dt * 1.001)).sum())
            # Two standing commands in a row look like one that stays: only those that move have an age.
            kept = ~ended & ~changed & (command != 0).any(dim=1)
            sums["command_late"].add_((kept & (age > high + 1)).sum())
        self._left.copy_(left)
        if not self._compact or bool(changed.any()):
            moving = (command != 0).any(dim=1)
            sums["command_early"].add_((within & seen & (age + 1 < low - 1)).sum())
            sums["drawn"].add_(changed.sum())
            sums["standing"].add_((changed & ~moving).sum())
            if self._compact:  # few rows, kept until the end of the iteration
                self._commands.append(command[changed & moving])
            else:
                self._draws["command"].add(command, changed & moving)
        self._age = torch.where(ended | within, 0, age + seen)
        self._command.copy_(command)

    def _follow_starts(self, ended: Tensor) -> None:
        if self._compact and not bool(ended.any()):
            return
        state, rows = self._state, ended.nonzero().squeeze(1) if self._compact else slice(None)
        offset = state.raw_base_pos_w()[rows] - state.episode_origins()[rows]
        parts = (state.raw_base_lin_vel_w(), state.raw_base_ang_vel_b(), state.raw_joint_pos(), state.raw_joint_vel())
        start = torch.cat((offset, state.raw_base_quat_w()[rows], *(part[rows] for part in parts)), dim=1)
        if self._compact:
            self._starts.append(start)
        else:
            self._draws["start"].add(self._as_drawn(start), ended)
            self._remember_starts(torch.where(ended, self._hash_of(start), torch.nan))

    def _as_drawn(self, start: Tensor) -> Tensor:
        """A start as the numbers that a reset draws. Shape (n, kinds)."""
        joints, resets = len(self._manifest.robot.joints), self._manifest.task.resets
        offset, quat, velocities, joint_pos, joint_vel = start.split_with_sizes((3, 4, 6, joints, joints), dim=1)
        turn = (_yaw(quat) - resets.yaw[0]).remainder(2 * math.pi)
        turn = torch.where(turn > 2 * math.pi - 1e-4, turn - 2 * math.pi, turn).clamp(min=0)
        pose = joint_pos - self._state.read("default_joint_pos")
        return torch.cat((offset[:, :2], turn.unsqueeze(1), velocities, pose, joint_vel), dim=1)

    def _hash_of(self, start: Tensor) -> Tensor:
        joints = len(self._manifest.robot.joints)
        return start[:, 13 : 13 + joints].to(torch.float64) @ self._hash

    def _settle(self) -> None:
        """Rows that were kept of the iteration's steps go into the sums."""
        self._draws["command"].add_moments(self._commands)
        if self._starts:
            self._draws["start"].add_moments([self._as_drawn(start) for start in self._starts])
            self._remember_starts(self._hash_of(torch.cat(self._starts)))
        self._commands.clear()
        self._starts.clear()

    def _remember_starts(self, start: Tensor) -> None:
        size, start = len(self._starts_seen), start[:1024]
        if self._manifest.task.resets.joint_pos[0] == self._manifest.task.resets.joint_pos[1]:
            return
        place = (torch.arange(len(start), device=start.device) + self._start_at) % size
        self._starts_seen[place] = torch.where(start.isnan(), self._starts_seen[place], start)
        self._start_at = (self._start_at + len(start)) % size

    def _repeated(self) -> Tensor:
        """Starts are drawn from continuous ranges: none of the last ones comes twice."""
        known = self._starts_seen.sort().values
        return (known[1:] == known[:-1]).sum().to(torch.float64)

    # A look.

    def _look(self, ended: Tensor, observations: Mapping[str, Tensor]) -> None:
        self._looks += 1
        self._sums["looked"].add_(1)
        for name, group in self._columns.items():
            self._look_at_columns(name, group, observations[name])
        self._look_at_robots(ended)
        self._look_at_state()
        self._look_at_factors()

    def _look_at_columns(self, name: str, group: ColumnsAgain, given: Tensor) -> None:
        sums, clean = self._sums, group.values()
        valid = torch.isfinite(given).all(dim=1)
        difference = torch.where(group.known, given - clean, 0.0).nan_to_num()
        level = self._env.buckets.values.get("noise_level")
        noisy = group.amplitude > 0
        size = difference.abs() if level is None else difference.abs() / level.clamp(min=1e-3).unsqueeze(1)
        scale = torch.where(noisy, group.amplitude, clean.abs().amax(dim=0).clamp(min=1e-2))
        # Noise has a range: what is farther from the field than its amplitude is no noise.
        allowed = torch.where(noisy, 1.0 + SLACK_OF_NOISE, TOLERANCE)
        if "sensor_bias" in self._env.buckets.values:
            allowed = torch.where(noisy, 2.0 + SLACK_OF_NOISE, allowed)
        over = torch.where(valid.unsqueeze(1), size / scale - allowed, 0.0).clamp(min=0).amax(dim=0)
        _raise(sums[f"{name}/off"], over)
        _raise(sums[f"{name}/most"], torch.where(valid.unsqueeze(1), given, -torch.inf).amax(dim=0))
        _raise(sums[f"{name}/least"], torch.where(valid.unsqueeze(1), -given, -torch.inf).amax(dim=0))
        if "sensor_bias" in self._env.buckets.values or group.clipped:
            return
        noise = (difference if level is None else difference / level.clamp(min=1e-3).unsqueeze(1))[
            :, noisy & group.known
        ]
        self._draws[f"noise/{name}"].add(noise, valid)
        unit = noise * (3**0.5 / group.amplitude[noisy & group.known])
        if (before := self._noise_before.get(name)) is not None:
            sums[f"{name}/lag"][noisy & group.known] += (unit * before).sum(dim=0).double()
        self._noise_before[name] = unit.clone()

    def _look_at_robots(self, ended: Tensor) -> None:
        state, sums, robot = self._state, self._sums, self._manifest.robot
        joint_pos, joint_vel = state.raw_joint_pos(), state.raw_joint_vel()
        still = (joint_pos == self._before[0]).all(dim=1) & (state.raw_base_pos_w() == self._before[1]).all(dim=1)
        sums["frozen"].add_((still & ~ended).sum())
        # Two robots that have moved under noise of their own are never in the same state.
        old = self._env.episode_length_buf > 2
        state_of = (joint_pos.to(torch.float64) @ self._hash) + (joint_vel.to(torch.float64) @ self._hash.flip(0))
        state_of = torch.where(old, state_of, torch.nan).sort().values
        sums["copies"].add_((state_of[1:] == state_of[:-1]).sum())
        steps = self._manifest.ppo.num_steps_per_env
        sums["lying"].add_((self._tilted * steps * self._dt >= LYING_S).sum())
        self._look_at_motion(ended, joint_pos, joint_vel)
        if self._has_plain_motors:
            law = self._motor_law(joint_pos, joint_vel)
            limit = state.read("effort_limit")
            off = torch.where(ended.unsqueeze(1), 0.0, (state.raw_joint_torque() - law).abs() / limit)
            _raise(sums["motor"], off.amax(dim=0))
        low = state.read("base_height") < 0.6 * robot.base_height
        sums["low"].add_((~low & ~ended).sum())
        sums["touching"].add_(state.read("foot_in_contact").sum(dim=0))

    def _look_at_motion(self, ended: Tensor, joint_pos: Tensor, joint_vel: Tensor) -> None:
        """Positions of two steps against the velocities at both: they must tell of the same motion."""
        pairs = (
            (joint_pos - self._before[0], joint_vel + self._before[2]),
            (self._state.raw_base_pos_w() - self._before[1], self._state.raw_base_lin_vel_w() + self._before[3]),
        )
        for index, (moved, velocity) in enumerate(pairs):
            rows = ~ended & torch.isfinite(moved).all(dim=1)
            x, y = (torch.where(rows.unsqueeze(1), value, 0.0).double() for value in (moved / self._dt, velocity / 2))
            found = torch.stack(((x * y).sum(), x.square().sum(), y.square().sum()))
            self._sums["motion"][index] += found

    @property
    def _has_plain_motors(self) -> bool:
        """The torque that can be read is that of the present state and of targets that are known."""
        manifest = self._manifest
        late = manifest.task.actions.delay_steps[1] > 0 or "control_delay" in manifest.randomization.factors
        return getattr(self._env, "torque_of_present_state", False) and not late and manifest.robot.motors != "dc_motor"

    def _motor_law(self, joint_pos: Tensor, joint_vel: Tensor) -> Tensor:
        """Torque of position motors that follow the last action. Shape (N, joints)."""
        values, joints, actions = self._env.buckets.values, self._manifest.robot.joints, self._manifest.task.actions

        def of(name: str) -> Tensor:
            return values[name].unsqueeze(1) if name in values else torch.ones(1, 1, device=joint_pos.device)

        stiffness = torch.tensor([joint.stiffness for joint in joints], device=joint_pos.device)
        damping = torch.tensor([joint.damping for joint in joints], device=joint_pos.device)
        target = self._state.read("default_joint_pos") + actions.scale * self.action.clamp(-actions.clip, actions.clip)
        torque = of("stiffness") * stiffness * (target - joint_pos) - of("damping") * damping * joint_vel
        limit = self._state.read("effort_limit") * of("motor_strength")
        return (torque * of("motor_strength")).clamp(-limit, limit)

    def _look_at_state(self) -> None:
        """Fields that follow from others exactly."""
        state = self._state
        quat, velocity = state.raw_base_quat_w(), state.raw_base_lin_vel_w()
        heading = quat_from_yaw(_yaw(quat))
        pairs = (
            (rotate(quat, state.read("base_lin_vel_b")), velocity),
            (rotate(quat, state.read("base_ang_vel_b")), state.read("base_ang_vel_w")),
            (gravity_direction(quat), state.read("projected_gravity_b")),
            (rotate(heading, state.read("base_lin_vel_yaw"))[:, :2], velocity[:, :2]),
        )
        everyone = torch.ones(len(quat), dtype=torch.bool, device=quat.device)
        _raise(self._sums["identity"], torch.stack([_relative(a, b, everyone).amax() for a, b in pairs]))

    def _look_at_factors(self) -> None:
        env, sums = self._env, self._sums
        begun = env.streams.episode != self._episode
        outside = torch.zeros_like(begun)
        for index, (name, value) in enumerate(env.buckets.values.items()):
            if name in self._limits:
                low, high = (edge[env.buckets.ids] for edge in self._limits[name])
                outside |= (value < low - 1e-4) | (value > high + 1e-4)
            factor = self._manifest.randomization.factors[name]
            drawn_anew = factor.mode == "reset" and factor.edges[0] < factor.edges[-1] and not name.endswith("_delay")
            if drawn_anew:  # a delay is a whole number and may well come twice
                sums["stale_factor"][index] += (begun & (value == self._values[name])).sum()
            self._values[name].copy_(value)
        sums["bucket"].add_(outside.sum())
        self._episode.copy_(env.streams.episode)
        self._model = env.model_deviations()
        if self._spread_names:
            columns = [_quantile(env.buckets.values[name], self._edges[name]) for name in self._spread_names]
            self._draws["factor"].add(torch.stack(columns, dim=1))

    # On the host.

    def silent(self) -> dict[str, str]:
        """Kinds that have not been judged, and why."""
        found: dict[str, str] = {}
        if not self._has_plain_motors:
            found["motor_law"] = "delayed actions, DC motors, or an engine whose torque is of the last physics step"
        if self._env.model_deviations() is None:
            found["factor_value"] = "this engine's model cannot be read back while it runs"
        bias = "sensor_bias" in self._env.buckets.values
        if bias or not any(bool((g.amplitude > 0).any()) for g in self._columns.values()):
            found["observation_noise"] = "sensor_bias hides its distribution" if bias else "no noise is declared"
        unknown = [
            name for g in self._columns.values() for name, ok in zip(g.names, g.known.tolist(), strict=True) if not ok
        ]
        if unknown:
            found["observation_value"] = f"delayed or earlier than the present step: {', '.join(unknown)}"
        return found

    @property
    def flat(self) -> Tensor:
        """All sums, on the device, float64."""
        self._settle()
        self._sums["repeated"].copy_(self._repeated())
        model = [self._model[1].to(torch.float64)] if self._model is not None else []
        return torch.cat([self._sums.flat, *(draws.sums.flat for draws in self._draws.values()), *model])

    def findings(self, host: Tensor) -> list[Finding]:
        """What the sums of the iteration say, from a host copy of `flat`; begins the next iteration."""
        sizes = [len(self._sums.flat), *(len(draws.sums.flat) for draws in self._draws.values())]
        mine, *drawn, model = host.split_with_sizes([*sizes, len(host) - sum(sizes)])
        sums = self._sums.unpack(mine)
        found = [*self._of_terms(sums), *self._of_commands(sums)]
        if self.due:
            found += [*self._of_columns(sums), *self._of_robots(sums), *self._of_factors(sums)]
        for (name, draws), flat in zip(self._draws.items(), drawn, strict=True):
            if not self.due:
                break
            kind = "observation_noise" if name.startswith("noise/") else f"{name}_draws"
            found += [Finding(kind, f"{name} {column}", text) for column, text in draws.judge(flat)]
        if self._model is not None:
            found += _of_model(self._model[0], model.tolist())
            self._model = None
        self._begin_sums(sums)
        return found

    def _begin_sums(self, sums: dict[str, Tensor]) -> None:
        """Extremes and lags go on over the window, the rest begins anew."""
        if float(sums["looked"]) > 0 and "factor" in self._draws:
            self._draws["factor"].sums.flat.zero_()
        if self._looks >= WINDOW:
            self._looks = 0
            self._sums.flat.zero_()
            for draws in self._draws.values():
                draws.sums.flat.zero_()
            for name in self._columns:
                self._sums[f"{name}/most"].fill_(-torch.inf)
                self._sums[f"{name}/least"].fill_(-torch.inf)
        for name in _OF_ONE_ITERATION:
            self._sums[name].zero_()

    def _lasting(self, kind: str, subject: str, seen: bool, looked: bool) -> bool:
        """Whether something was seen in `PATIENCE` looks in a row."""
        if not looked:
            return False
        key = (kind, subject)
        self._streaks[key] = self._streaks.get(key, 0) + 1 if seen else 0
        return self._streaks[key] >= PATIENCE

    def _of_terms(self, sums: dict[str, Tensor]) -> list[Finding]:
        found: list[Finding] = []
        for term, off in zip(self._terms, sums["rates"].tolist(), strict=True):
            if off > TOLERANCE:
                text = f"differs from weight * term of the manifest, computed again, by {off:.2g} of the largest value"
                found.append(Finding("reward_term", term, text))
        for kind, text in (
            (
                "causes",
                "holds, or does not, where the manifest's term, computed again, says otherwise, in {0:.0f} rows",
            ),
            ("kinds", "is declared {1} and ended {0:.0f} episodes as the other kind"),
        ):
            for cause, time_out, rows in zip(
                self._causes, self._is_time_out.tolist(), sums[kind].tolist(), strict=True
            ):
                if rows > 0:
                    kinds = "time_out" if time_out else "failure"
                    found.append(Finding("episode_ends", cause, text.format(rows, kinds)))
        if float(sums["unexplained"]) > 0:
            rows = float(sums["unexplained"])
            found.append(Finding("episode_ends", "ends", f"{rows:.0f} episodes ended with no cause that holds"))
        if float(sums["clock"]) > 0:
            text = (
                f"the episode's clock did not advance by one control step, or begin at 0, in "
                f"{float(sums['clock']):.0f} steps"
            )
            found.append(Finding("episode_clock", "episode steps", text))
        return found

    def _of_columns(self, sums: dict[str, Tensor]) -> list[Finding]:
        found: list[Finding] = []
        for name, group in self._columns.items():
            off, lag = sums[f"{name}/off"].tolist(), sums[f"{name}/lag"].tolist()
            most, least = sums[f"{name}/most"].tolist(), sums[f"{name}/least"].tolist()
            amplitude, known = group.amplitude.tolist(), group.known.tolist()
            pairs = max(self._looks - 1, 1) * self._env.num_envs
            for index, column in enumerate(group.names):
                if off[index] > 0:
                    noise = f", beyond its noise of {amplitude[index]:g}" if amplitude[index] > 0 else ""
                    text = f"differs from its field, computed again, by {off[index]:.2g} of its size{noise}"
                    found.append(Finding("observation_value", column, text))
                elif known[index] and abs(lag[index]) > MAX_Z * pairs**0.5 and self._looks > PATIENCE:
                    text = f"noise goes on from look to look: correlation {lag[index] / pairs:.2f}"
                    found.append(Finding("observation_noise", column, text))
                if self._looks >= 5 and most[index] == -least[index]:
                    text = f"is {most[index]:g} in all environments and {self._looks} looks"
                    found.append(Finding("dead_observation", column, text))
        return _few(found)

    def _of_robots(self, sums: dict[str, Tensor]) -> list[Finding]:
        looked, n = float(sums["looked"]) > 0, self._env.num_envs
        numbers = {name: float(sums[name]) for name in ("frozen", "copies", "lying", "vacuous", "low", "repeated")}
        found: list[Finding] = []
        if self._lasting("frozen_robots", "", numbers["frozen"] > 0, looked):
            text = f"{numbers['frozen']:.0f} robots did not move at all in a control step"
            found.append(Finding("frozen_robots", "robots", text))
        if self._lasting("same_robots", "", numbers["copies"] > 0, looked):
            text = f"{numbers['copies']:.0f} robots are in the same state as another: copies, or the same draws"
            found.append(Finding("same_robots", "robots", text))
        if self._lasting("lying_robots", "", numbers["lying"] > max(1.0, 0.01 * n), looked):
            text = (
                f"{numbers['lying']:.0f} robots have been lying for {LYING_S:g} s and their episodes go "
                f"on: falls do not end"
            )
            found.append(Finding("lying_robots", "fallen robots", text))
        if looked and (self._lasting("easy_success", "", numbers["vacuous"] > 0.5, looked)):
            text = (
                f"a robot that stands still would follow {numbers['vacuous']:.0%} of the commands within "
                f"audit.success_error = {self._manifest.audit.success_error:g} m/s: success says nothing"
            )
            found.append(Finding("easy_success", "command", text))
        if numbers["repeated"] > 0:
            text = f"{numbers['repeated']:.0f} episodes started in the very same pose as another: the same draws"
            found.append(Finding("start_draws", "start", text))
        for joint, off in zip(self._manifest.robot.joints, sums["motor"].tolist(), strict=True):
            if off > TOLERANCE_OF_MOTORS:
                text = (
                    f"torque differs from the motor's law (gains, last action, position, velocity) by {off:.2g} of its "
                    "limit: late or other targets, other gains, or no motor"
                )
                found.append(Finding("motor_law", joint.name, text))
        standing = numbers["low"] > 0.3 * n
        for foot, rows in zip(self._manifest.robot.feet, sums["touching"].tolist(), strict=True):
            if self._lasting("dead_contact", foot.name, standing and rows == 0, looked):
                text = f"foot never touched the ground in {PATIENCE} looks while robots stand: its contact flag is dead"
                found.append(Finding("dead_contact", f"foot {foot.name}", text))
        for field, (product, one, other) in zip(("joint_vel", "base_lin_vel_w"), sums["motion"].tolist(), strict=True):
            alike = product / (one * other) ** 0.5 if min(one, other) > 0 else 1.0
            if self._lasting("state_field", field, alike < MIN_ALIKE, looked):
                text = (
                    f"velocity does not follow from positions of successive steps: they agree by {alike:.2f}, not by 1"
                )
                found.append(Finding("state_field", field, text))
        fields = ("base_lin_vel_b", "base_ang_vel_w", "projected_gravity_b", "base_lin_vel_yaw")
        for field, off in zip(fields, sums["identity"].tolist(), strict=True):
            if off > TOLERANCE:
                text = (
                    f"velocity or direction differs from the simulator's state turned into its frame by "
                    f"{off:.2g} of its size"
                )
                found.append(Finding("state_field", field, text))
        return _few(found)

    def _of_commands(self, sums: dict[str, Tensor]) -> list[Finding]:
        commands = self._manifest.task.commands
        low, high = commands.resampling_time
        found: list[Finding] = []
        for name, text in (
            ("command_early", f"changed in {{:.0f}} steps sooner than {low:g} s after it was drawn"),
            ("command_late", f"was kept in {{:.0f}} steps longer than {high:g} s"),
            ("command_clock", "countdown to the next command did not advance in {:.0f} steps"),
        ):
            if (rows := float(sums[name])) > 0:
                found.append(Finding("command_timing", "command", text.format(rows)))
        drawn, standing, share = float(sums["drawn"]), float(sums["standing"]), commands.standing_fraction
        if drawn >= MIN_DRAWN and any(max(map(abs, getattr(commands, axis))) > 0 for axis in _AXES):
            error = max(share * (1 - share) / drawn, 1 / drawn**2) ** 0.5
            if abs(standing / drawn - share) > MAX_Z * error:
                text = f"{standing / drawn:.0%} of {drawn:.0f} commands drawn are 0, declared {share:.0%}"
                found.append(Finding("command_draws", "command standing", text))
        return found

    def _of_factors(self, sums: dict[str, Tensor]) -> list[Finding]:
        found: list[Finding] = []
        if (rows := float(sums["bucket"])) > 0:
            names = ", ".join(self._limits)
            text = (
                f"{rows:.0f} environments have values of {names} outside of the intervals that their "
                f"bucket's label names"
            )
            found.append(Finding("bucket_label", "bucket", text))
        for name, rows in zip(self._env.buckets.values, sums["stale_factor"].tolist(), strict=True):
            if rows > 0:
                text = f"{rows:.0f} new episodes kept the value of the episode before; it should be drawn for each"
                found.append(Finding("factor_draws", name, text))
        return found


_AXES = ("lin_vel_x", "lin_vel_y", "ang_vel_z")
MIN_ALIKE = 0.5
"""Cosine between the velocities of a batch and the change of its positions. Hits on the ground leave 0.78 to 0.89,
joint velocities that are two steps late -0.3."""
MIN_DRAWN = 100
"""Commands without which the share of standing ones is not judged."""
SLACK_OF_NOISE = 1e-3
TOLERANCE_OF_MOTORS = 0.02
_OF_ONE_ITERATION = (
    "rates", "causes", "kinds", "unexplained", "clock", "command_early", "command_late", "command_clock", "frozen",
    "copies", "lying", "motor", "identity", "bucket", "vacuous", "looked", "repeated",
    "stale_factor", "touching", "low", "motion",
)  # fmt: skip
MOST = 4
"""Findings of one kind that are told; the others are counted."""


def _of_model(names: tuple[str, ...], off: list[float]) -> list[Finding]:
    text = "in the simulator differs from the robot definition with the recorded factors by {:.2g} of its size"
    found = [
        Finding("factor_value", name, text.format(share))
        for name, share in zip(names, off, strict=True)
        if not share <= TOLERANCE
    ]
    return _few(found)


def _few(found: list[Finding]) -> list[Finding]:
    """Not every column of a vector that is wrong as a whole: the first of each kind, and how many more there are."""
    out: list[Finding] = []
    for kind in dict.fromkeys(finding.kind for finding in found):
        same = [finding for finding in found if finding.kind == kind]
        out += same[:MOST]
        if len(same) > MOST:
            others = ", ".join(finding.subject for finding in same[MOST:])
            out[-1] = Finding(kind, out[-1].subject, f"{out[-1].message}; likewise {others}")
    return out


def _raise(total: Tensor, values: Tensor) -> None:
    total.copy_(torch.maximum(total, values.to(total.dtype).nan_to_num(0.0)))


def _relative(given: Tensor, again: Tensor, valid: Tensor) -> Tensor:
    """Largest difference of each column over the column's largest value. Shape (N, K) to (K,)."""
    rows = valid.unsqueeze(1)
    size = torch.where(rows, torch.maximum(given.abs(), again.abs()), 0.0).amax(dim=0)
    off = torch.where(rows, (given - again).abs(), 0.0).amax(dim=0)
    return torch.where(size > 0, off / size.clamp(min=1e-12), 0.0)


def _yaw(quat: Tensor) -> Tensor:
    w, x, y, z = quat.unbind(dim=1)
    return torch.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def _quantile(values: Tensor, edges: Tensor) -> Tensor:
    """Where a value stands among intervals that are equally likely, 0 to 1; outside of them below 0 or above 1."""
    index = (torch.searchsorted(edges, values.double().contiguous(), right=True) - 1).clamp(0, len(edges) - 2)
    return (index + (values - edges[index]) / (edges[index + 1] - edges[index])) / (len(edges) - 1)


def _intervals(manifest: Any, env: Any) -> dict[str, tuple[Tensor, Tensor]]:
    """Lower and upper edge of each bucket's interval, by factor in its label. Shape (B,) each."""
    names = [name for name in manifest.randomization.bucket_by]
    factors = manifest.randomization.factors
    radices = [factors[name].num_intervals if name in factors else len(env.ground.layout.classes) for name in names]
    ids = torch.arange(math.prod(radices), device=env.device)
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for place, name in enumerate(names):
        if name not in factors:
            continue
        index = ids // math.prod(radices[place + 1 :]) % radices[place]
        edges = torch.tensor(factors[name].edges, device=env.device)
        found[name] = (edges[index], edges[index + 1])
    return found
