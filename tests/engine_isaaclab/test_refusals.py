"""What the Isaac Lab engine refuses before anything is launched; no Isaac Lab needed."""

import inspect

import pytest

from surefoot.engines import load_engine
from surefoot.engines.base import Engine, with_presets
from surefoot.engines.device import check_device
from surefoot.engines.factors import PLACE
from surefoot.engines.isaaclab.make import check_manifest, make_env
from surefoot.errors import EngineError, SurefootError, UnknownName
from surefoot.manifest import Manifest, compose_manifest
from surefoot.manifest.factors import FACTORS
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


def manifest(*overrides: str) -> Manifest:
    return compose_manifest(manifest_root(), TASK, list(overrides))


@pytest.mark.parametrize("backend", ["newton_mjwarp", "isaacsim_physx"])
def test_the_shipped_task_passes(go1_manifest: Manifest, backend: str) -> None:
    check_manifest(go1_manifest, backend)


@pytest.mark.parametrize("name", sorted(FACTORS))
def test_every_factor_is_there_on_each_backend(name: str) -> None:
    own = f"{name}: {{edges: [1, 1], mode: startup}}"
    own += ", payload_mass: {edges: [1, 1], mode: startup}" if name in PLACE else ""
    overridden = manifest(f"randomization.factors={{{own}}}", "randomization.bucket_by=[]")
    for backend in ("newton_mjwarp", "isaacsim_physx"):
        check_manifest(overridden, backend)


def test_full_contact_model_needs_contact_by_geometry() -> None:
    check_manifest(manifest("simulation=full"), "newton_mjwarp")
    with pytest.raises(EngineError, match=r"^simulation\.contact_model: 'full' .* Use simulation=lean"):
        check_manifest(manifest("simulation=full"), "isaacsim_physx")


def test_devices() -> None:
    assert check_device("cpu") == "cpu"
    with pytest.raises(EngineError, match="'gpu' is unknown; expected cpu or cuda:N"):
        check_device("gpu")
    with pytest.raises(EngineError, match=r"'cuda:99' is not there"):
        check_device("cuda:99")


def test_engine_names() -> None:
    assert callable(load_engine("isaaclab").make_env)
    assert callable(load_engine("isaaclab:isaacsim_physx").make_env)
    with pytest.raises(UnknownName, match="Did you mean 'isaaclab'"):
        load_engine("isaclab")


def test_it_takes_what_every_engine_takes() -> None:
    wanted, taken = inspect.signature(Engine.make_env).parameters, inspect.signature(make_env).parameters
    for name, parameter in wanted.items():
        if name != "self":
            assert (taken[name].kind, taken[name].default) == (parameter.kind, parameter.default), name


def test_an_engine_with_one_backend_takes_none() -> None:
    pytest.importorskip("mjbatch")
    with pytest.raises(EngineError, match="has one physics backend only; drop ':warp'"):
        load_engine("mujoco:warp")


def test_isaac_labs_own_words_choose_the_backend() -> None:
    rest = ["task.rewards.torques.weight=-1.0"]
    assert with_presets("isaaclab", ["physics=newton_mjwarp", *rest]) == ("isaaclab:newton_mjwarp", rest)
    assert with_presets("isaaclab:isaacsim_physx", ["presets=isaacsim_physx"]) == ("isaaclab:isaacsim_physx", [])
    assert with_presets("mujoco", rest) == ("mujoco", rest)


@pytest.mark.parametrize(
    ("engine", "word", "message"),
    [
        ("isaaclab", "physics=newton", "Physics backend 'newton' not found. Did you mean 'newton_mjwarp'?"),
        ("isaaclab", "presets=fast", "Preset 'fast' not found. Known: isaacsim_physx, newton_mjwarp, ovphysx, physx."),
        ("mujoco", "physics=newton_mjwarp", "chooses a backend of engine 'isaaclab'; here is --engine mujoco"),
        ("isaaclab:isaacsim_physx", "physics=newton_mjwarp", "contradict each other"),
    ],
)
def test_words_that_do_not_fit_are_refused(engine: str, word: str, message: str) -> None:
    with pytest.raises(SurefootError) as refused:
        with_presets(engine, [word])
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
