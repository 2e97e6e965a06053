"""From the manifest's `ppo` section to RSL-RL's configuration."""

from typing import Any

import torch
from tensordict import TensorDict

from surefoot.manifest.learning import Network
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.observation_layout import MirrorMap, action_mirror, observation_mirror
from surefoot.rl.ppo import MaskedPPO
from surefoot.rl.symmetric_model import SymmetricMLPModel


def runner_config(manifest: Manifest, threads: int = 1) -> dict[str, Any]:
    """Configuration of RSL-RL's OnPolicyRunner; a fresh dict, because RSL-RL edits it.

    Args:
        manifest: The experiment.
        threads: For the update; see `MaskedPPO`.
    """
    ppo = manifest.ppo
    algorithm: dict[str, Any] = {
        "class_name": MaskedPPO,
        "max_learning_rate": ppo.max_learning_rate,
        "threads": threads,
        "rnd_cfg": None,
        "symmetry_cfg": _symmetry(manifest),
    }
    for key in (
        "num_learning_epochs", "num_mini_batches", "clip_param", "gamma", "lam", "value_loss_coef", "entropy_coef",
        "learning_rate", "schedule", "desired_kl", "max_grad_norm", "use_clipped_value_loss",
        "normalize_advantage_per_mini_batch",
    ):  # fmt: skip
        algorithm[key] = getattr(ppo, key)
    actor = _network(ppo.actor) | {
        "distribution_cfg": {"class_name": "GaussianDistribution", "init_std": ppo.init_std, "std_type": "log"}
    }
    critic = _network(ppo.critic)
    if ppo.symmetry == "equivariant":
        actor |= {"class_name": SymmetricMLPModel, "mirror": _mirror(manifest, "actor")}
        critic |= {"class_name": SymmetricMLPModel, "mirror": _mirror(manifest, "critic")}
    return {
        "num_steps_per_env": ppo.num_steps_per_env,
        "save_interval": manifest.training.save_interval,
        "obs_groups": {"actor": ["actor"], "critic": ["critic"]},
        "algorithm": algorithm,
        "actor": actor,
        "critic": critic,
        "torch_compile_mode": None,
    }


def _network(network: Network) -> dict[str, Any]:
    return {
        "class_name": "MLPModel",
        "hidden_dims": list(network.hidden_dims),
        "activation": network.activation,
        "obs_normalization": network.obs_normalization,
    }


def _mirror(manifest: Manifest, group: Any) -> dict[str, Any]:
    obs = observation_mirror(manifest, group)
    out = action_mirror(manifest.robot) if group == "actor" else MirrorMap((), ())
    return {
        "obs_index": list(obs.index),
        "obs_sign": list(obs.sign),
        "out_index": list(out.index),
        "out_sign": list(out.sign),
    }


def _symmetry(manifest: Manifest) -> dict[str, Any] | None:
    mode = manifest.ppo.symmetry
    if mode not in ("augmentation", "mirror_loss"):
        return None
    return {
        "data_augmentation_func": Mirroring(manifest),
        "use_data_augmentation": mode == "augmentation",
        "use_mirror_loss": mode == "mirror_loss",
        "mirror_loss_coeff": manifest.ppo.mirror_loss_coeff,
    }


def named_runner_config(manifest: Manifest) -> dict[str, Any]:
    """`runner_config` with classes and functions as `module:name`, for a training script that is not ours."""
    plain = runner_config(manifest)
    for part in (plain["algorithm"], plain["actor"], plain["critic"]):
        if not isinstance(part["class_name"], str):
            part["class_name"] = f"{part['class_name'].__module__}:{part['class_name'].__qualname__}"
    if (symmetry := plain["algorithm"]["symmetry_cfg"]) is not None:
        symmetry["data_augmentation_func"] = f"{__name__}:{mirror_by_env.__name__}"
    return plain


def mirror_by_env(
    env: Any, obs: TensorDict | None = None, actions: torch.Tensor | None = None
) -> tuple[TensorDict | None, torch.Tensor | None]:
    """RSL-RL's augmentation function for an environment that knows its manifest."""
    base = env.unwrapped
    if not hasattr(base, "mirroring"):
        base.mirroring = Mirroring(base.manifest)
    return base.mirroring(env, obs, actions)


class Mirroring:
    """RSL-RL's augmentation function: each sample, then its mirror image."""

    def __init__(self, manifest: Manifest) -> None:
        self._maps = {
            "actor": observation_mirror(manifest, "actor"),
            "critic": observation_mirror(manifest, "critic"),
            "action": action_mirror(manifest.robot),
        }

    def __call__(
        self, env: Any = None, obs: TensorDict | None = None, actions: torch.Tensor | None = None
    ) -> tuple[TensorDict | None, torch.Tensor | None]:
        mirrored_obs = None
        if obs is not None:
            both = {str(key): self._both(self._maps[str(key)], obs[str(key)]) for key in obs.keys()}
            mirrored_obs = TensorDict(both, batch_size=[2 * obs.batch_size[0]])
        return mirrored_obs, None if actions is None else self._both(self._maps["action"], actions)

    @staticmethod
    def _both(mirror: MirrorMap, x: torch.Tensor) -> torch.Tensor:
        sign = torch.tensor(mirror.sign, device=x.device, dtype=x.dtype)
        return torch.cat((x, x[:, list(mirror.index)] * sign))
