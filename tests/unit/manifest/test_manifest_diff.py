"""What a person is shown when two manifests differ."""

from surefoot.manifest import Manifest, diff_manifests, format_diff, override_manifest, validate


def test_equal_manifests_have_no_rows(go1_manifest: Manifest) -> None:
    assert diff_manifests(go1_manifest, go1_manifest) == []


def test_changed_numbers_and_lists_are_leaves(go1_manifest: Manifest) -> None:
    old = override_manifest(go1_manifest, ["seed=1", "robot.joints.3.damping=0.5", "ppo.actor.hidden_dims=[128,128]"])
    new = override_manifest(old, ["seed=2", "robot.joints.3.damping=0.6", "ppo.actor.hidden_dims=[64]"])
    assert diff_manifests(old, new) == [
        ("seed", 1, 2),
        ("robot.joints.3.damping", 0.5, 0.6),
        ("ppo.actor.hidden_dims", [128, 128], [64]),
    ]


def test_added_and_dropped_entries_are_absent_on_one_side(go1_manifest: Manifest) -> None:
    new = override_manifest(go1_manifest, ["+task.rewards.alive={func: is_alive, weight: 0.5}"])
    assert diff_manifests(go1_manifest, new) == [
        ("task.rewards.alive.func", "(absent)", "is_alive"),
        ("task.rewards.alive.weight", "(absent)", 0.5),
        ("task.rewards.alive.params", "(absent)", {}),
        ("task.rewards.alive.ramp", "(absent)", False),
    ]
    assert [row[0] for row in diff_manifests(new, go1_manifest)] == [
        row[0] for row in diff_manifests(go1_manifest, new)
    ]


def test_another_order_of_terms_is_shown_beside_other_changes(go1_manifest: Manifest) -> None:
    plain = go1_manifest.to_plain() | {"seed": 5}
    plain["task"]["terminations"] = dict(reversed(plain["task"]["terminations"].items()))
    rows = diff_manifests(go1_manifest, validate(plain))
    names = list(go1_manifest.task.terminations)
    assert rows == [("seed", 1, 5), ("task.terminations.(order)", names, names[::-1])]


def test_every_difference_in_the_hash_shows_in_the_diff(go1_manifest: Manifest) -> None:
    plain = go1_manifest.to_plain()
    terms = plain["task"]["observations"]["critic"]["terms"]
    plain["task"]["observations"]["critic"]["terms"] = dict(reversed(terms.items()))
    other = validate(plain)
    assert other.sha256 != go1_manifest.sha256
    assert len(diff_manifests(go1_manifest, other)) == 1


def test_the_text_is_aligned() -> None:
    text = format_diff([("seed", 1, 2), ("ppo.gamma", 0.97, "(absent)")])
    assert text.splitlines() == ["  seed       1 -> 2", "  ppo.gamma  0.97 -> (absent)"]
