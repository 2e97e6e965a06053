"""A damaged checkpoint is one line of text, before an environment is built and with the run folder untouched."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from surefoot.errors import CheckpointError, RunFolderError, SurefootError
from surefoot.manifest import Manifest
from surefoot.rl import train as training
from surefoot.rl.resumable import check_resumable
from surefoot.runs import checkpoint, run_folder
from trained import checkpoint_content, content_of, deeply_nested

Damage = Callable[[dict[str, Any]], Any]


def put(*keys: str, value: object) -> Damage:
    """Replace the entry at `keys`."""

    def damage(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return damage


def widen(which: str) -> Damage:
    """One more output than the network has."""

    def damage(content: dict[str, Any]) -> None:
        state = content[f"{which}_state_dict"]
        name = [name for name in state if name.endswith("bias")][-1]
        state[name] = torch.zeros(len(state[name]) + 1)

    return damage


UNREADABLE: dict[str, tuple[Damage, str]] = {
    "text as iteration": (put("iter", value="abc"), "iter: expected a whole number from 0, got 'abc'"),
    "negative iteration": (put("iter", value=-1), "iter: expected a whole number from 0, got -1"),
    "no number of samples": (put("infos", "samples", value=None), "infos.samples: expected a whole number"),
    "number as manifest": (put("infos", "manifest", value=7), "expected JSON text, got int"),
    "list as manifest": (put("infos", "manifest", value="[]"), "expected a JSON object, got list"),
    "deep manifest": (put("infos", "manifest", value=deeply_nested()), "nested too deeply"),
    "deep section": (put("infos", "manifest", value=f'{{"ppo": {deeply_nested()}}}'), "nested too deeply"),
    "two hundred earlier manifests": (
        put("infos", "earlier_manifests", value=["{}"] * 200),
        "infos.earlier_manifests: expected at most 100",
    ),
    "no actor": (put("actor_state_dict", value=None), "actor_state_dict: expected tensors by name, got NoneType"),
    "no critic": (put("critic_state_dict", value=[1]), "critic_state_dict: expected tensors by name, got list"),
    "text as weight": (put("actor_state_dict", "mlp.0.bias", value="x"), "actor_state_dict: expected tensors by name"),
}
NOT_RESUMABLE: dict[str, tuple[Damage, str]] = {
    "actor of another shape": (widen("actor"), "weights of the actor do not fit"),
    "critic of another shape": (widen("critic"), "weights of the critic do not fit"),
    "critic without weights": (put("critic_state_dict", value={}), "weights of the critic do not fit"),
    "no optimiser": (lambda content: content.pop("optimizer_state_dict"), "lacks the optimiser's state"),
    "optimiser of another kind": (put("optimizer_state_dict", value=3), "optimizer_state_dict is damaged"),
    "text as learning rate": (
        lambda content: content["optimizer_state_dict"]["param_groups"][0].update(lr="fast"),
        "optimizer_state_dict is damaged (TypeError: expected a number as learning rate, got 'fast'",
    ),
    "moments of another shape": (
        lambda content: content["optimizer_state_dict"]["state"][0].update(exp_avg=torch.zeros(5)),
        "exp_avg of parameter 0: expected shape",
    ),
    "moments without their counter": (
        lambda content: content["optimizer_state_dict"]["state"][0].pop("exp_avg_sq"),
        "optimizer_state_dict is damaged (KeyError",
    ),
    "unknown moments": (
        lambda content: content["optimizer_state_dict"]["state"][0].update(max_exp_avg_sq=torch.zeros(5)),
        "unknown moments ['max_exp_avg_sq'] of parameter 0",
    ),
    "moments that are not finite": (
        lambda content: content["optimizer_state_dict"]["state"][0]["exp_avg"].fill_(float("nan")),
        "exp_avg of parameter 0: holds numbers that are not finite",
    ),
    "moments of whole numbers": (
        lambda content: content["optimizer_state_dict"]["state"][0].update(step=torch.tensor(3)),
        "step of parameter 0: expected numbers of single precision, got torch.int64",
    ),
    "a number as step": (
        lambda content: content["optimizer_state_dict"]["state"][0].update(step=3),
        "step of parameter 0: expected numbers of single precision, got int",
    ),
    "moments of a parameter that is not there": (
        lambda content: content["optimizer_state_dict"]["state"].update({999: {}}),
        "unknown entries ['999']",
    ),
    "two groups": (
        lambda content: content["optimizer_state_dict"]["param_groups"].append({}),
        "optimizer_state_dict is damaged (ValueError",
    ),
    "another optimiser": (
        lambda content: content["optimizer_state_dict"]["param_groups"][0].update(amsgrad=True),
        "amsgrad: expected False, got True",
    ),
    "a setting that Adam has not": (
        lambda content: content["optimizer_state_dict"]["param_groups"][0].update(momentum=0.9),
        "unknown setting 'momentum'",
    ),
    "endless learning rate": (
        lambda content: content["optimizer_state_dict"]["param_groups"][0].update(lr=float("inf")),
        "lr: expected numbers from 0",
    ),
    "text as betas": (
        lambda content: content["optimizer_state_dict"]["param_groups"][0].update(betas="ab"),
        "betas: expected numbers from 0 to 1",
    ),
    "no random state": (lambda content: content["infos"].pop("rng"), "lacks the state of the random generator"),
    "short random state": (put("infos", "rng", value=torch.zeros(3, dtype=torch.uint8)), "infos.rng is damaged"),
    "text as episodes": (put("infos", "episodes", value="x"), "infos.episodes is damaged (expected one row of"),
    "fractions as episodes": (put("infos", "episodes", value=torch.ones(4)), "infos.episodes is damaged"),
    "number as CUDA's random state": (put("infos", "cuda_rng", value=1), "infos.cuda_rng is damaged"),
    "number as random state": (put("infos", "rng", value=3), "infos.rng is damaged"),
}


@pytest.fixture(scope="module")
def whole(go1_manifest: Manifest) -> dict[str, Any]:
    return checkpoint_content(go1_manifest)


def damaged(whole: dict[str, Any], damage: Damage, path: Path) -> Path:
    content = copy.deepcopy(whole)
    damage(content)
    checkpoint.save(content, path)
    return path


def test_a_whole_checkpoint_is_read_and_can_be_resumed(whole: dict[str, Any], go1_manifest: Manifest, tmp_path: Path):
    loaded = checkpoint.load(damaged(whole, lambda content: None, tmp_path / "model_3.pt"))
    assert loaded.iteration == 3 and loaded.manifest == go1_manifest
    check_resumable(loaded, go1_manifest)


def test_so_can_one_from_before_the_first_update(whole: dict[str, Any], go1_manifest: Manifest, tmp_path: Path):
    path = damaged(whole, lambda content: content["optimizer_state_dict"]["state"].clear(), tmp_path / "model_3.pt")
    check_resumable(checkpoint.load(path), go1_manifest)


@pytest.mark.parametrize("case", UNREADABLE)
def test_reading(whole: dict[str, Any], case: str, tmp_path: Path):
    damage, expected = UNREADABLE[case]
    path = damaged(whole, damage, tmp_path / "model_3.pt")
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("case", UNREADABLE | NOT_RESUMABLE)
def test_resuming(
    whole: dict[str, Any], go1_manifest: Manifest, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = run_folder.create(tmp_path, go1_manifest, "cpu")
    damage, expected = (UNREADABLE | NOT_RESUMABLE)[case]
    path = damaged(whole, damage, folder / "model_3.pt")
    before = content_of(folder)
    monkeypatch.setattr(training, "load_engine", lambda name: pytest.fail("an environment was built"))
    with pytest.raises(SurefootError) as caught:
        training.resume(folder, go1_manifest)
    assert isinstance(caught.value, RunFolderError if case in UNREADABLE else CheckpointError)
    assert expected in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert content_of(folder) == before
