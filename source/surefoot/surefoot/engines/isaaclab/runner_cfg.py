"""RSL-RL's configuration as a class of Isaac Lab's, for its own training script."""

from types import SimpleNamespace
from typing import Any

from isaaclab_rl.rsl_rl import RslRlOnPolicyRunnerCfg, RslRlPpoAlgorithmCfg, RslRlSymmetryCfg

from surefoot.engines.isaaclab.compat import presets
from surefoot.manifest import Manifest


def runner_cfg(manifest: Manifest, rsl_rl: dict[str, Any]) -> RslRlOnPolicyRunnerCfg:
    """What `rsl_rl_cfg_entry_point` gives.

    Args:
        manifest: The experiment.
        rsl_rl: Configuration of RSL-RL's OnPolicyRunner for it, classes and functions as `module:name`.
    """
    cfg = RslRlOnPolicyRunnerCfg(
        seed=manifest.seed,
        device=presets.default_device(),
        num_steps_per_env=rsl_rl["num_steps_per_env"],
        max_iterations=manifest.training.max_iterations,
        obs_groups=rsl_rl["obs_groups"],
        save_interval=rsl_rl["save_interval"],
        experiment_name=manifest.name,
        logger="wandb" if manifest.training.logger == "wandb" else "tensorboard",
        algorithm=_algorithm(rsl_rl["algorithm"]),
    )
    cfg.actor, cfg.critic = _model(rsl_rl["actor"]), _model(rsl_rl["critic"])
    cfg.check_for_nan = False  # faults are marked, and the algorithm leaves them out
    cfg.torch_compile_mode = rsl_rl["torch_compile_mode"]
    return cfg


def _algorithm(plain: dict[str, Any]) -> RslRlPpoAlgorithmCfg:
    cfg, symmetry = RslRlPpoAlgorithmCfg(), plain["symmetry_cfg"]
    for key, value in plain.items():
        setattr(cfg, key, value)  # those of our own algorithm too
    cfg.symmetry_cfg = None if symmetry is None else RslRlSymmetryCfg(**symmetry)
    return cfg


def _model(plain: dict[str, Any]) -> Any:
    """Isaac Lab 2.3 has no class for RSL-RL's models; its scripts only turn what is there into a dict."""
    import isaaclab_rl.rsl_rl as classes

    if not hasattr(classes, "RslRlMLPModelCfg"):
        return SimpleNamespace(**plain)
    cfg = classes.RslRlMLPModelCfg()
    for key, value in plain.items():
        setattr(cfg, key, value)
    if distribution := plain.get("distribution_cfg"):
        cfg.distribution_cfg = classes.RslRlMLPModelCfg.GaussianDistributionCfg(**distribution)
    return cfg
