"""One engine's answers: all parts, and what says which engine and which task it was."""

from typing import Any

from torch import Tensor

import surefoot
from surefoot.crosscheck import probe_parts
from surefoot.crosscheck.probe_file import Array, Probe
from surefoot.crosscheck.probe_plan import ProbePlan
from surefoot.engines.base import EngineEnv
from surefoot.evaluation.provenance import package_versions
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.fields import READABLE, feels_contact
from surefoot.mdp.term_check import bind_term

_PACKAGES = ("torch", "numpy", "mujoco", "mjlab", "mjbatch", "isaaclab", "newton", "isaacsim")
PARTS = {
    "start": probe_parts.start,
    "flight": probe_parts.flight,
    "fall": probe_parts.fall,
    "joints": probe_parts.joints,
    "feet": probe_parts.feet,
    "belly": probe_parts.belly,
    "ground": probe_parts.ground,
    "hold": probe_parts.hold,
    "open_loop": probe_parts.open_loop,
}
"""In an order that is part of the question: random draws go by episodes."""


def probe_engine(env: EngineEnv, plan: ProbePlan, engine: str) -> Probe:
    """Put an engine through the plan.

    Args:
        env: Freshly built, not in evaluation mode.
        plan: Of as many environments.
        engine: What it is called in reports.
    """
    arrays: dict[str, Array] = {}
    for part, answer in PARTS.items():
        env.episode_length_buf.zero_()  # no time-outs but those that are asked for
        arrays |= {f"{part}/{name}": _to_numpy(value) for name, value in answer(env, plan).items()}
    return Probe(_header(env, engine), arrays)


def _header(env: EngineEnv, engine: str) -> dict[str, Any]:
    robot = env.manifest.robot
    return {
        "engine": engine,
        "versions": {"surefoot": surefoot.__version__} | package_versions(_PACKAGES),
        "manifest_sha256": env.manifest.sha256,
        "num_envs": env.num_envs,
        "joints": list(robot.joint_names),
        "feet": list(robot.foot_names),
        "definition": env.definition(),
        "contact_terms": contact_terms(env.manifest),
        "foot_velocity_terms": _reading(env.manifest, {"foot_vel_w"}),
        "acceleration_terms": _reading(env.manifest, {"imu_lin_acc_b"}),
        "present_contact": env.contact_of_present_state,
        "implicit_drives": env.implicit_drives,
    }


def contact_terms(manifest: Manifest) -> dict[str, list[str]]:
    """Terms that read contact, or an accelerometer, which feels it; see `_reading`."""
    return _reading(manifest, {name for name, field in READABLE.items() if feels_contact(field)})


def _reading(manifest: Manifest, names: set[str]) -> dict[str, list[str]]:
    """Terms that read any of these fields, by `rewards`, `terminations`, `actor`, `critic`."""
    task = manifest.task

    def reads(kind: Any, terms: dict[str, Any]) -> list[str]:
        bound = {name: bind_term(kind, term.func, term.params, name).reads for name, term in terms.items()}
        return [name for name, fields in bound.items() if not names.isdisjoint(fields)]

    return {
        "rewards": reads("reward", task.rewards),
        "terminations": reads("termination", task.terminations),
        "actor": reads("observation", task.observations.actor.terms),
        "critic": reads("observation", task.observations.critic.terms),
    }


def _to_numpy(value: Tensor) -> Array:
    return value.detach().cpu().numpy()
