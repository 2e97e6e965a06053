"""Layout and mirror map of observation vectors, known from the manifest alone."""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch

from surefoot.errors import TermError
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.robot import Robot
from surefoot.manifest.task import ObservationGroup, ObservationTerm, RewardTerm, TerminationTerm
from surefoot.mdp.fields import READABLE, Field
from surefoot.mdp.observations import MIRROR
from surefoot.mdp.registry import Kind, term

GroupName = Literal["actor", "critic"]


@dataclass(frozen=True)
class ObservationBlock:
    """One term's place in an observation vector."""

    name: str
    func: str
    start: int
    size: int
    """Numbers per control step."""
    history: int

    @property
    def stop(self) -> int:
        """One past the last index."""
        return self.start + self.size * self.history


def observation_layout(manifest: Manifest, group_name: GroupName) -> tuple[ObservationBlock, ...]:
    """Blocks of a group's vector, in order."""
    group: ObservationGroup = getattr(manifest.task.observations, group_name)
    blocks: list[ObservationBlock] = []
    start = 0
    for name, entry in group.terms.items():
        block = ObservationBlock(
            name, entry.func, start, _term_size(entry.func, dict(entry.params), manifest), entry.history
        )
        blocks.append(block)
        start = block.stop
    return tuple(blocks)


def observation_size(manifest: Manifest, group_name: GroupName) -> int:
    """Length of a group's vector."""
    return observation_layout(manifest, group_name)[-1].stop


def _term_size(func_name: str, params: dict[str, float | int | bool | str], manifest: Manifest) -> int:
    """Evaluate the term on one environment of ones; its shape does not depend on values."""
    func = term("observation", func_name)
    inputs: dict[str, object] = dict(params)
    for name in inspect.signature(func).parameters:
        if name in READABLE:
            field = READABLE[name]
            shape = (1, *field.concrete_shape(manifest.robot, num_rays(manifest)))
            inputs[name] = torch.ones(shape, dtype=torch.bool if field.unit == "bool" else torch.float32)
    return func(**inputs).shape[1]


def is_informative(field: Field, manifest: Manifest) -> bool:
    """Whether a field can be read under a manifest, and is not the same number always."""
    touching = manifest.robot.contact_models[manifest.simulation.contact_model].collide
    if field.contact_group is not None and field.contact_group not in touching:
        return False
    if field.name == "height_scan":
        return manifest.task.height_scan is not None
    if field.name == "imu_lin_acc_b":  # not every robot's model says where its IMU is, and reading it is not free
        return _is_read(field.name, manifest)
    return field.name != "distance_to_tile_edge" or manifest.task.terrain.kind != "plane"


def _is_read(name: str, manifest: Manifest) -> bool:
    task = manifest.task
    kinds: tuple[tuple[Kind, Iterable[RewardTerm | TerminationTerm | ObservationTerm]], ...] = (
        ("reward", task.rewards.values()),
        ("termination", task.terminations.values()),
        ("observation", task.observations.actor.terms.values()),
        ("observation", task.observations.critic.terms.values()),
    )
    return any(name in inspect.signature(term(kind, entry.func)).parameters for kind, some in kinds for entry in some)


def num_rays(manifest: Manifest) -> int:
    """Points of the height scan; 0 without one."""
    return manifest.task.height_scan.num_rays if manifest.task.height_scan is not None else 0


@dataclass(frozen=True)
class MirrorMap:
    """x_mirrored = sign * x[..., index]."""

    index: tuple[int, ...]
    sign: tuple[float, ...]


def observation_mirror(manifest: Manifest, group_name: GroupName) -> MirrorMap:
    """Mirror map of a whole observation vector."""
    index: list[int] = []
    sign: list[float] = []
    for block in observation_layout(manifest, group_name):
        kind = MIRROR[block.func]
        one = _block_mirror(kind, block.size, manifest)
        if len(one.index) != block.size:
            raise TermError(
                f"observation term {block.func!r} is declared to mirror as {kind!r}, which takes {len(one.index)} "
                f"numbers for robot {manifest.robot.name!r}; the term returns {block.size}."
            )
        # A history is the term's numbers step after step, each of which mirrors alike.
        for step in range(block.history):
            offset = block.start + step * block.size
            index += [offset + i for i in one.index]
            sign += one.sign
    return MirrorMap(tuple(index), tuple(sign))


def action_mirror(robot: Robot) -> MirrorMap:
    """Mirror map of joint-space vectors."""
    names = robot.joint_names
    return MirrorMap(
        tuple(names.index(joint.mirror) for joint in robot.joints),
        tuple(float(joint.mirror_sign) for joint in robot.joints),
    )


def _block_mirror(kind: str, size: int, manifest: Manifest) -> MirrorMap:
    robot, scan = manifest.robot, manifest.task.height_scan
    if kind == "scan" and scan is not None:
        rows, columns = scan.shape
        index = [row * columns + column for row in reversed(range(rows)) for column in range(columns)]
        return MirrorMap(tuple(index), (1.0,) * len(index))
    if kind == "joints":
        return action_mirror(robot)
    # A mirrored rotation turns the other way, so axial vectors have the opposite signs of plain ones.
    signs = {"vector": (1.0, -1.0, 1.0), "axial": (-1.0, 1.0, -1.0), "planar": (1.0, -1.0, -1.0)}
    if kind in signs:
        return MirrorMap((0, 1, 2), signs[kind])
    if kind in ("feet", "feet_pairs"):
        names = robot.foot_names
        feet = [names.index(foot.mirror) for foot in robot.feet]
        index = [block * len(feet) + i for block in range(size // len(feet)) for i in feet]
        return MirrorMap(tuple(index), (1.0,) * size)
    return MirrorMap(tuple(range(size)), (1.0,) * size)
