"""A surefoot task with the interface that Isaac Lab's own scripts and wrappers expect."""

from typing import Any

from isaaclab.envs import ManagerBasedRLEnv
from torch import Tensor

from surefoot.audit.accounts.fault_kinds import KINDS
from surefoot.engines.isaaclab import compat
from surefoot.engines.isaaclab.compat import presets, video
from surefoot.engines.isaaclab.compat.ovphysx import allow_ordinary_memory, check_cpu
from surefoot.engines.isaaclab.env import IsaacLabEnv
from surefoot.engines.isaaclab.gym_cfg import SurefootEnvCfg, final_env_cfg, settled
from surefoot.engines.isaaclab.make import check_manifest, write_usd
from surefoot.engines.isaaclab.robot_model import load_robot_model
from surefoot.engines.opengl import choose_opengl
from surefoot.manifest import Manifest
from surefoot.reporting import say


class SurefootGymEnv(IsaacLabEnv):
    """`entry_point` of every task that surefoot registers with Gymnasium.

    An episode that a fault ends is truncated; `extras` marks the transition as `invalid`, which `MaskedPPO` leaves out.

    Args:
        cfg: From `env_cfg_entry_point`, with its presets resolved.
        render_mode: As Gymnasium's; `rgb_array` gives MuJoCo's drawing of environment 0, of a robot without MJCF Isaac
            Lab's own picture (not run).
        kwargs: What the registry holds beside; not used.
    """

    gives_audit_step = True
    """`extras["audit"]` of a step is what the accounts read, whoever trains."""
    _is_closed = True
    """Until it is built: Isaac Lab closes what is thrown away, also what was refused."""

    def __init__(self, cfg: SurefootEnvCfg, render_mode: str | None = None, **kwargs: Any) -> None:
        presets.resolve_physx(cfg.sim)
        manifest = settled(cfg)
        backend = presets.backend_of(cfg.sim)
        check_manifest(manifest, backend)
        if backend == "ovphysx":  # the other backends were started before, by whose script this is
            check_cpu()
            allow_ordinary_memory()
        model = load_robot_model(manifest.robot, manifest.simulation.contact_model)
        given = getattr(cfg, "video_recorders", None)
        recorders = video.take_ours(cfg)
        if recorders and model.mj is None:
            raise video.refuse_undrawable(manifest.robot.name)
        super().__init__(
            final_env_cfg(cfg, manifest, write_usd(manifest.robot, model)),
            manifest,
            model,
            version=compat.isaaclab_version(),
            backend=backend,
            evaluation=False,
            replicates=1,
        )
        if given:
            cfg.video_recorders = given  # Isaac Lab's `play` stops when the longest of them has its clip
        self.render_mode = render_mode
        size = cfg.viewer.resolution
        if model.mj is not None and (recorders or render_mode == "rgb_array"):
            choose_opengl()
            self.draw_at(size)
        self._films = [video.Film(recorder, self.render, size, 1.0 / self.step_dt) for recorder in recorders]
        if manifest.extension is not None:
            say(f"[INFO] Added to task {manifest.name} in Python: {manifest.extension.summary}")

    def learn_with(self, manifest: Manifest) -> None:
        """Take over what RSL-RL's configuration says of learning, so that the recorded manifest is what was run."""
        self.manifest, self.cfg.manifest = manifest, manifest.to_plain()

    def render(self, recompute: bool = False) -> Any:
        """A frame as `render_mode` says."""
        return ManagerBasedRLEnv.render(self, recompute) if self.drawer is None else super().render()

    def close(self) -> None:
        """Finish the films that run, then as any environment."""
        for film in getattr(self, "_films", []):
            film.close()
        super().close()

    def reset(self, **kwargs: Any) -> Any:
        """Reset every environment; observations by group, and `extras`."""
        return super().reset(**kwargs), self.extras

    def step(self, action: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Observations, reward, terminated, truncated, extras."""
        self.extras.pop("log", None)
        result = super().step(action.to(self.device))
        if getattr(self.sim, "is_rendering", False):  # 3.0: a window or a visualiser is open
            self.sim.render()
        for recorder in (*self._films, *getattr(self, "video_recorders", ())):
            recorder.step()
        invalid = result.faults.any(dim=1)
        self.extras |= {"invalid": invalid, "invalid_obs": result.invalid_obs, "audit": result.audit}
        if "log" in self.extras:
            counts = result.faults.sum(dim=0)
            self.extras["log"] |= {f"Episode_Fault/{kind}": counts[i] for i, kind in enumerate(KINDS)}
        return result.observations, result.reward, result.terminated, result.truncated | invalid, self.extras
