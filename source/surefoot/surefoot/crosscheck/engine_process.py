"""One engine in a process of its own: python -m surefoot.crosscheck.engine_process job.json

Two engines do not fit into one Python environment, and a simulator may take the process with it; what counts is the
file that is there afterwards.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import surefoot.cli
from surefoot.crosscheck.probe_engine import probe_engine
from surefoot.crosscheck.probe_file import write_probe
from surefoot.crosscheck.probe_plan import ProbePlan
from surefoot.engines.base import make_env
from surefoot.evaluation.evaluate import evaluate_checkpoint
from surefoot.machine import Machine
from surefoot.manifest import read_manifest


def main() -> None:
    """Do the one job that the file names."""
    job = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(1)
    {"probe": _probe, "evaluate": _evaluate}[job["kind"]](job)


def _probe(job: dict[str, Any]) -> None:
    with np.load(job["plan"], allow_pickle=False) as archive:
        plan = ProbePlan(**{name: archive[name] for name in archive.files})
    env = make_env(_machine(job), read_manifest(Path(job["manifest"])), num_envs=plan.pos.shape[1])
    write_probe(Path(job["out"]), probe_engine(env, plan, job["engine"]))
    # Last, because some simulators end the process here.
    env.close()


def _evaluate(job: dict[str, Any]) -> None:
    evaluate_checkpoint(
        Path(job["checkpoint"]),
        manifests=Path(job["manifests"]),
        task=job["task"],
        overrides=job["overrides"],
        machine=_machine(job),
        changes={key: job[key] for key in ("seed", "replicates", "duration")},
        out=Path(job["out"]),
    )


def _machine(job: dict[str, Any]) -> Machine:
    return Machine(job["engine"], job["device"], job["num_threads"])


if __name__ == "__main__":
    surefoot.cli.run(main)
