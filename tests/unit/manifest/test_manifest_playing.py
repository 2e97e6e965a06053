"""What watching a policy changes in a manifest, and what it leaves."""

import pytest

from surefoot.manifest import compose_manifest, diff_manifests
from surefoot.manifest.playing import playing
from surefoot_tasks import list_tasks, manifest_root

CHANGED = {
    "randomization.push.ang_vel_z", "randomization.push.lin_vel_xy", "task.observations.actor.noise",
    "task.observations.critic.noise", "task.resets.randomize_episode_start", "training.num_envs",
    "task.terrain.generator.curriculum", "task.terrain.generator.curriculum.start_level",
    "task.terrain.generator.curriculum.promote", "task.terrain.generator.curriculum.demote",
}  # fmt: skip


@pytest.mark.parametrize("task", list_tasks())
def test_playing_changes_nothing_else(task: str) -> None:
    manifest = compose_manifest(manifest_root(), task)
    watched = playing(manifest)
    assert {key for key, _, _ in diff_manifests(manifest, watched)} <= CHANGED
    assert watched.training.num_envs == 50
    assert watched.randomization.push.lin_vel_xy == watched.randomization.push.ang_vel_z == 0.0
    assert not (watched.task.observations.actor.noise or watched.task.observations.critic.noise)
    assert not watched.task.resets.randomize_episode_start
    assert playing(watched) == watched


def test_few_environments_stay_as_they_are() -> None:
    manifest = compose_manifest(manifest_root(), list_tasks()[0], ["training.num_envs=7"])
    assert playing(manifest).training.num_envs == 7
