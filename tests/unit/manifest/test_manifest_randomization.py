"""What the randomisation section refuses, by key."""

from itertools import pairwise

import pytest

from surefoot.errors import ManifestError
from surefoot.manifest import Manifest, override_manifest
from surefoot.manifest.factors import FACTORS


def refusal(manifest: Manifest, *overrides: str) -> str:
    with pytest.raises(ManifestError) as caught:
        override_manifest(manifest, list(overrides))
    return str(caught.value)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ("[0.4,0.6,0.5]", "expected ascending edges"),
        ("[0.4,0.6,0.6,0.8]", "expected ascending edges"),
        ("[0.8,0.4]", "expected ascending edges"),
        ("[0.4]", "at least 2"),
        ("[]", "at least 2"),
        ("[0.4,nan]", "finite"),
        ("[0.4,inf]", "finite"),
        ("[-0.1,0.4]", "expected values > 0, got -0.1"),
        ("[0,0.4]", "expected values > 0, got 0"),
        ("['0.4',0.6]", "number"),
    ],
)
def test_edges(go1_manifest: Manifest, edges: str, message: str):
    text = refusal(go1_manifest, f"randomization.factors.friction.edges={edges}")
    assert "randomization.factors.friction.edges" in text
    assert message in text


def test_a_delay_of_half_a_step(go1_manifest: Manifest):
    text = refusal(go1_manifest, "+randomization.factors.control_delay={edges: [0, 1.5], mode: reset}")
    assert "randomization.factors.control_delay.edges: expected whole numbers of physics steps, got 1.5" in text


@pytest.mark.parametrize("name", sorted(name for name, kind in FACTORS.items() if kind.minimum == 0.0))
def test_a_negative_value(go1_manifest: Manifest, name: str):
    shipped = name in go1_manifest.randomization.factors
    new = [] if shipped else [f"+randomization.factors.{name}={{edges: [1, 2], mode: reset}}"]
    text = refusal(go1_manifest, *new, f"randomization.factors.{name}.edges=[-1,1]")
    assert f"randomization.factors.{name}.edges: expected values >" in text


def test_a_factor_named_twice_in_bucket_by(go1_manifest: Manifest):
    text = refusal(go1_manifest, "randomization.bucket_by=[friction,friction]")
    assert "randomization.bucket_by.1: 'friction' is named twice" in text


def test_a_mode_that_does_not_exist(go1_manifest: Manifest):
    assert "randomization.factors.friction.mode" in refusal(go1_manifest, "randomization.factors.friction.mode=step")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["+randomization.factors.push_strength={edges: [0, 2], mode: reset}", "randomization.push.lin_vel_xy=0",
             "randomization.push.ang_vel_z=0"],
            "randomization.factors.push_strength: has nothing to scale",
        ),
        (
            ["+randomization.factors.payload_x={edges: [0, 0.1], mode: reset}",
             "~randomization.factors.payload_mass", "randomization.bucket_by=[]"],
            "randomization.factors.payload_x: does nothing without factors.payload_mass, which is absent",
        ),
        (
            ["+randomization.factors.noise_level={edges: [0, 2], mode: reset}"]
            + [f"task.observations.actor.terms.{name}.noise=0"
               for name in ("base_ang_vel", "projected_gravity", "joint_pos", "joint_vel")],
            "randomization.factors.noise_level: has nothing to scale",
        ),
    ],
)  # fmt: skip
def test_a_factor_that_could_change_nothing(go1_manifest: Manifest, overrides: list[str], message: str):
    assert message in refusal(go1_manifest, *overrides)


def test_the_shipped_buckets(go1_manifest: Manifest):
    section = go1_manifest.randomization
    assert section.num_combinations == 12
    assert (section.factors["friction"].edges[0], section.factors["friction"].edges[-1]) == (0.4, 1.2)
    assert (section.factors["payload_mass"].edges[0], section.factors["payload_mass"].edges[-1]) == (-0.5, 2.0)
    widths = [high - low for low, high in pairwise(section.factors["payload_mass"].edges)]
    assert widths == pytest.approx([2.5 / 3] * 3, rel=2e-4)  # equal intervals: uniform over the whole range
