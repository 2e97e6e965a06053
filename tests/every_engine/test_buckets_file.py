"""A run writes down which environment is in which bucket, and with which values."""

import json
from pathlib import Path

from surefoot.machine import Machine
from surefoot.manifest import compose_manifest
from surefoot.rl.train import train
from surefoot_tasks import manifest_root

SMALL = [
    "training.num_envs=16", "training.max_iterations=1", "training.logger=none", "ppo.num_steps_per_env=4",
    "ppo.actor.hidden_dims=[16]", "ppo.critic.hidden_dims=[16]", "ppo.num_mini_batches=1",
]  # fmt: skip


def test_buckets_of_a_run(engine: str, tmp_path: Path):
    manifest = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0", SMALL)
    folder = train(manifest, runs=tmp_path, machine=Machine(engine, threads=1))
    written = json.loads((folder / "buckets.json").read_text())
    assert written["counts"] == [2, 2, 2, 2] + [1] * 8  # 16 environments in 12 buckets
    assert written["ids"] == [*range(12), 0, 1, 2, 3]
    for bucket, friction in zip(written["ids"], written["values"]["friction"], strict=True):
        low = 0.4 + 0.2 * (bucket // 3)  # payload varies fastest, in three intervals
        assert low - 1e-6 <= friction <= low + 0.2 + 1e-6
        assert written["labels"][bucket].startswith(f"friction {low:g}-{low + 0.2:g} | payload_mass ")
