"""Checkpoints that Isaac Lab's own trainer writes: what is put into them, and how their manifest is found.

Isaac Lab has RSL-RL's runner write a checkpoint, and leaves its `infos` empty. `MaskedPPO` adds an entry of its own,
with the manifest in force. Beside the checkpoint lies `params/env.yaml`, which holds the manifest too, among objects
of Python that Isaac Lab writes with tags; it is read as a tree of YAML, from which nothing but plain values of the
manifest is taken, so no code runs whatever the file says.
"""

import json
import math
from pathlib import Path
from typing import Any, cast

import yaml

from surefoot.errors import CheckpointError, ManifestError
from surefoot.manifest import Manifest, validate
from surefoot.reading import Refused, check_yaml, read_text
from surefoot.reporting import say

NOTE = "surefoot"
"""Key of our entry in a checkpoint of RSL-RL."""
PARAMS = Path("params") / "env.yaml"
"""Where Isaac Lab writes the environment's configuration, from the run folder on."""
_compose: Any = cast("Any", yaml).compose
_MAX_BYTES = 4 * 1024**2
_MAX_DEPTH = 40
# YAML's aliases let a small file stand for a huge tree.
_MAX_NODES = 200_000


def note(manifest: Manifest, samples: int) -> dict[str, Any]:
    """The entry under `NOTE`: the format of `surefoot.runs.checkpoint` without what only our own runner can restore."""
    return {
        "format": 1,
        "task": manifest.name,
        "manifest": manifest.canonical_json,
        "manifest_sha256": manifest.sha256,
        "samples": samples,
    }


def learned_with(manifest: Manifest, config: dict[str, Any]) -> Manifest:
    """The manifest with what a configuration of RSL-RL says of learning: the reverse of `rl.config.runner_config`.

    Isaac Lab's users override the agent (`agent.algorithm.gamma=0.9`), and the manifest is to be what was run. What
    the schema has no word for (other algorithms, recurrent networks) leaves the manifest as it is.

    Args:
        manifest: What the environment was built from.
        config: RSL-RL's, before the algorithm is built from it.
    """
    plain = manifest.to_plain()
    ppo, training, algorithm = plain["ppo"], plain["training"], config["algorithm"]
    # RSL-RL keeps some of PPO's keys beside the algorithm; those of the schema have the same names.
    for holder, given in ((ppo, algorithm), (ppo, config), (training, config)):
        holder.update({key: _list(given[key]) for key in holder if key in given and key not in ("actor", "critic")})
    ppo["symmetry"] = _symmetry(manifest, config)
    for name in ("actor", "critic"):
        ppo[name].update({key: _list(config[name][key]) for key in ppo[name] if key in config[name]})
    distribution: Any = config["actor"].get("distribution_cfg")
    if isinstance(distribution, dict):
        ppo["init_std"] = cast("dict[str, Any]", distribution).get("init_std", ppo["init_std"])
    training["logger"] = manifest.training.logger
    try:
        return validate(plain, "RSL-RL's configuration under agent")
    except ManifestError as error:
        say(f"[INFO] The manifest cannot say what agent says, and keeps its own: {error}".splitlines()[0])
        return manifest


def infos(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """What stands for a checkpoint's `infos` where our own runner has not written them.

    Args:
        path: The checkpoint.
        content: What is in it.

    Raises:
        CheckpointError: It is of no task of surefoot, or its manifest cannot be read; says where it was looked for.
    """
    if isinstance(own := content.get(NOTE), dict) and "manifest" in own:
        return cast("dict[str, Any]", own)
    params = path.parent / PARAMS
    if not params.is_file():
        raise CheckpointError(
            f"{path}: not a surefoot checkpoint: it holds no manifest, and there is no {PARAMS} beside it. A "
            "checkpoint of Isaac Lab's trainer is named where it was written: logs/rsl_rl/TASK/RUN/model_N.pt"
        )
    return {"format": 1, "manifest": json.dumps(_manifest_in(params))}


def _manifest_in(params: Path) -> dict[str, Any]:
    try:
        text = read_text(params, _MAX_BYTES)
    except (OSError, Refused) as error:
        raise CheckpointError(f"{params}: cannot be read ({error}).") from None
    try:
        check_yaml(text, _MAX_BYTES, aliases=True, nodes=_MAX_NODES)
        root: Any = _compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, Refused, RecursionError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise CheckpointError(
            f"{params}: damaged, not YAML any more ({reason}). Name a checkpoint of another run."
        ) from None
    pairs: list[tuple[Any, Any]] = root.value if isinstance(root, yaml.MappingNode) else []
    node = next((value for key, value in pairs if key.value == "manifest"), None)
    if not isinstance(node, yaml.MappingNode):
        raise CheckpointError(
            f"{params}: holds no manifest: the run trained a task that is not surefoot's. Its policy cannot be checked "
            "against an observation layout."
        )
    return _Plain(params).value(node)


class _Plain:
    """From nodes to plain values, with limits: a node that stands in many places is counted each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nodes = 0
        self._construct: Any = yaml.SafeLoader("").construct_object  # pyright: ignore[reportUnknownMemberType]

    def value(self, node: Any, depth: int = 0) -> Any:
        """What stands at a node: dicts, lists, text, numbers, truth values and None."""
        self._nodes += 1
        if self._nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise CheckpointError(f"{self._path}: manifest: larger or deeper than any manifest is.")
        if isinstance(node, yaml.MappingNode):
            return {str(key.value): self.value(value, depth + 1) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):  # Isaac Lab writes tuples with a tag of Python's
            return [self.value(item, depth + 1) for item in node.value]
        try:
            found: Any = self._construct(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            reason = " ".join(str(error).split())[:120]
            raise CheckpointError(f"{self._path}: manifest: holds what is no plain value ({reason}).") from None
        if isinstance(found, float) and not math.isfinite(found):
            raise CheckpointError(f"{self._path}: manifest: expected finite numbers, got {found}.")
        return found


def _symmetry(manifest: Manifest, config: dict[str, Any]) -> str:
    # A class, or its name with the module before it.
    if "SymmetricMLPModel" in str(config["actor"].get("class_name")):
        return "equivariant"
    given = config["algorithm"].get("symmetry_cfg")
    if not given:
        return "none"
    return "mirror_loss" if given.get("use_mirror_loss") else "augmentation"


def _list(value: Any) -> Any:
    return list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
