"""What PPO received, once more: the storage, the returns and the normalisers against what the environments gave.

Everything here follows exactly from the steps, so a difference is a proof and not a matter of chance. Sums stay on the
device until `findings` reads them, once an iteration.
"""

from typing import TYPE_CHECKING, Any

import torch
from tensordict import TensorDict
from torch import Tensor

from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditStep
from surefoot.audit.accounts.sums import Sums
from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.look import raise_to
from surefoot.manifest.manifest import Manifest

if TYPE_CHECKING:
    from surefoot.rl.ppo import MaskedPPO

_VALID = "over the valid transitions of an iteration that is looked at; NaN in others"
STORED = define("received/stored", "-", f"sum of the rewards in PPO's storage {_VALID}")
BOOTSTRAP = define(
    "received/bootstrap", "-", f"sum of discount * value of the state, where a time-out ended the episode, {_VALID}"
)
RESIDUAL = define(
    "received/residual",
    "-",
    f"largest |stored reward - reward of the account - bootstrap| {_VALID}; single precision explains about 1e-6",
)
ACTOR_MOVED = define("received/actor_moved", "-", "length of the actor's parameter change over that of the parameters")
CRITIC_MOVED = define("received/critic_moved", "-", "the same of the critic")

_SETTINGS = (
    "gamma", "lam", "clip_param", "entropy_coef", "value_loss_coef", "num_learning_epochs", "num_mini_batches",
    "desired_kl", "max_grad_norm", "schedule", "use_clipped_value_loss", "normalize_advantage_per_mini_batch",
)  # fmt: skip
TOLERANCE = 1e-3
"""Share of the standard deviation, or of the largest value, that rounding may explain."""
STILL = 1e-9
"""Relative movement of a network's parameters below which it stands still."""


class LearnerCheck:
    """Follows one learner.

    Args:
        alg: RSL-RL's algorithm of ours.
        manifest: Discount and lambda, whatever the algorithm holds now.
        num_envs: Environments.
    """

    def __init__(self, alg: "MaskedPPO", manifest: Manifest, num_envs: int) -> None:
        self._alg, self._ppo = alg, manifest.ppo
        steps, device = manifest.ppo.num_steps_per_env, alg.device
        self._kept = {
            name: torch.zeros(steps, num_envs, dtype=torch.bool if name != "reward" else torch.float32, device=device)
            for name in ("reward", "timed_out", "ended", "spoilt")
        }
        self._actions = torch.zeros(steps, num_envs, len(manifest.robot.joints), device=device)
        names = (
            "plain", "at_ends", "dones", "actions", "acted", "values", "observations", "returns", "advantages",
            "stored", "bootstrap", "actor_moved", "critic_moved", "actor_count", "critic_count", "actor_moments",
            "critic_moments", "looked",
        )  # fmt: skip
        self._names = {name: [key for key, _ in getattr(alg, name).named_parameters()] for name in ("actor", "critic")}
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(names, ())
        shapes |= {f"{name}_parts": (len(parts),) for name, parts in self._names.items()}
        self._sums = Sums(shapes, device)
        self._invalid_obs: Tensor | None = None
        self._step, self._due = 0, False
        self._obs: dict[str, Tensor] = {}
        self._skip = torch.zeros((), dtype=torch.bool, device=device)
        self._parameters: dict[str, list[Tensor]] = {}
        self._unused: dict[str, list[bool]] = {}
        """Parameters that no loss depends on, as the odd part of a critic that is the same for mirror images."""
        self._moments: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    def begin_iteration(self, due: bool) -> None:
        """Before the first action of an iteration that is looked at, or not."""
        self._due = due
        if not due:
            return
        self._step = 0
        # The first step may start from an observation that the end of the last iteration has spoilt.
        self._invalid_obs = self._alg._invalid_obs
        self._skip.zero_()
        for name in ("actor", "critic"):
            self._parameters[name] = [p.detach().clone() for p in getattr(self._alg, name).parameters()]
            if (normalizer := _normalizer(getattr(self._alg, name))) is not None:
                self._moments[name] = tuple(
                    value.clone() for value in (normalizer.count, normalizer._mean, normalizer._var)
                )  # pyright: ignore

    def acted(self, obs: TensorDict) -> None:
        """After the actions of the last step of an iteration were sampled."""
        if not self._due or self._step != self._ppo.num_steps_per_env - 1:
            return
        alg, transition = self._alg, self._alg.transition
        self._obs = {str(name): obs[name].clone() for name in obs.keys()}
        mean, acted = alg.actor(obs), transition.distribution_params[0]  # pyright: ignore
        raise_to(self._sums["acted"], (mean - acted).abs().amax() / mean.abs().amax().clamp(min=1e-6))
        value, stored = alg.critic(obs), transition.values
        raise_to(self._sums["values"], (value - stored).abs().amax() / value.abs().amax().clamp(min=1e-6))  # pyright: ignore
        self._sums["looked"].add_(1)

    def stepped(self, seen: AuditStep, invalid_obs: Tensor) -> None:
        """After a step of the environments, with what the accounts were given."""
        if not self._due or self._step >= len(self._actions):
            return
        invalid = seen.fault.any(dim=1)
        spoilt = invalid if self._invalid_obs is None else invalid | self._invalid_obs
        kept, at = self._kept, self._step
        kept["reward"][at].copy_(seen.reward)
        kept["timed_out"][at].copy_(seen.truncated & ~spoilt)
        kept["ended"][at].copy_(seen.terminated | seen.truncated | spoilt)
        kept["spoilt"][at].copy_(spoilt)
        self._actions[at].copy_(seen.action)
        self._invalid_obs = invalid_obs
        # The normaliser leaves such rows out, so that the storage does not tell what it was fed.
        self._skip |= invalid_obs.any()
        self._step += 1

    def collected(self, last_obs: TensorDict) -> None:
        """After returns and advantages were computed."""
        if not self._due:
            return
        st, sums, kept = self._alg.storage, self._sums, self._kept
        valid, values = ~kept["spoilt"], st.values.squeeze(2)
        bootstrap = self._ppo.gamma * values * kept["timed_out"]
        reward = torch.where(valid, kept["reward"] + bootstrap, 0.0)
        stored = st.rewards.squeeze(2)
        off = torch.where(valid, (stored - reward).abs(), 0.0)
        scale = reward.abs().amax().clamp(min=1e-9)
        raise_to(sums["plain"], torch.where(kept["ended"], 0.0, off).amax() / scale)
        raise_to(sums["at_ends"], torch.where(kept["ended"], off, 0.0).amax() / scale)
        sums["stored"].add_(torch.where(valid, stored, 0.0).sum(dtype=torch.float64))
        sums["bootstrap"].add_(torch.where(valid, bootstrap, 0.0).sum(dtype=torch.float64))
        sums["dones"].add_((st.dones.squeeze(2).bool() != kept["ended"]).sum())
        given = torch.where(valid.unsqueeze(2), (st.actions - self._actions).abs(), 0.0)
        raise_to(sums["actions"], given.amax())
        for name, obs in self._obs.items():
            there = st.observations[name][-1]  # pyright: ignore
            raise_to(sums["observations"], (there - obs).abs().nan_to_num().amax() / obs.abs().amax().clamp(min=1e-6))
        self._follow_returns(reward, values, valid, last_obs)
        self._follow_normalizers(last_obs)
        self._obs = {}

    def _follow_returns(self, reward: Tensor, values: Tensor, valid: Tensor, last_obs: TensorDict) -> None:
        st, gamma, lam, ended = self._alg.storage, self._ppo.gamma, self._ppo.lam, self._kept["ended"]
        follow = self._alg.critic(last_obs).squeeze(1)
        advantages, advantage = torch.zeros_like(reward), torch.zeros_like(follow)
        for at in reversed(range(len(reward))):
            goes_on = ~ended[at]
            delta = reward[at] + gamma * torch.where(goes_on, follow, 0.0) - values[at]
            advantage = delta + gamma * lam * torch.where(goes_on, advantage, 0.0)
            advantage = torch.where(valid[at], advantage, 0.0)
            advantages[at], follow = advantage, values[at]
        count = valid.sum().clamp(min=2)
        mean = torch.where(valid, advantages, 0.0).sum() / count
        std = (torch.where(valid, advantages - mean, 0.0).square().sum() / (count - 1)).sqrt().clamp(min=1e-12)
        off = (st.returns.squeeze(2) - values - advantages).abs() / std
        raise_to(self._sums["returns"], torch.where(valid, off, 0.0).amax())
        expected = advantages if self._ppo.normalize_advantage_per_mini_batch else (advantages - mean) / (std + 1e-8)
        off = (st.advantages.squeeze(2) - expected).abs() / expected.abs().amax().clamp(min=1e-12)
        raise_to(self._sums["advantages"], torch.where(valid, off, 0.0).amax())

    def _follow_normalizers(self, last_obs: TensorDict) -> None:
        """Count and first two moments must be those of before with the observations of this iteration."""
        for name, (count, mean, var) in self._moments.items():
            model = getattr(self._alg, name)
            normalizer = _normalizer(model)
            if normalizer is None:
                continue
            groups = model.obs_groups
            # It is fed after each step: the first observation of the storage was counted an iteration ago.
            stored = torch.cat([self._alg.storage.observations[group] for group in groups], dim=-1)[1:]  # pyright: ignore
            data = torch.cat((stored.flatten(0, 1), torch.cat([last_obs[group] for group in groups], dim=-1)))
            first, second, n = data.mean(dim=0), data.square().mean(dim=0), len(data)
            # A symmetric network counts every observation together with its mirror image.
            if hasattr(model, "mirror"):
                index, sign = model.mirror
                first, second = 0.5 * (first + first[index] * sign), 0.5 * (second + second[index])
            share = n / (count + n)
            expected = mean + share * (first - mean)
            square = (1 - share) * (var + mean.square()) + share * second
            # A column that is always the same has no spread to measure its mean in.
            spread = (square - expected.square()).clamp(min=0).sqrt() + 1e-3 * square.sqrt() + 1e-6
            off = ((normalizer._mean - expected).abs() / spread).amax()
            off = torch.maximum(
                off, ((normalizer._var + normalizer._mean.square() - square).abs() / spread.square()).amax()
            )
            raise_to(self._sums[f"{name}_moments"], torch.where(self._skip, 0.0, off))
            missing = (normalizer.count - count - n).abs().to(torch.float64)
            self._sums[f"{name}_count"].add_(torch.where(self._skip, 0.0, missing))

    def updated(self) -> None:
        """After the update."""
        if not self._due:
            return
        for name, before in self._parameters.items():
            parameters = list(getattr(self._alg, name).parameters())
            self._unused[name] = [p.requires_grad and p.grad is None for p in parameters]
            now = [parameter.detach() for parameter in parameters]
            moved = torch.stack([(new - old).norm() for new, old in zip(now, before, strict=True)])
            size = torch.stack([old.norm() for old in before])
            self._sums[f"{name}_parts"].copy_(moved)
            self._sums[f"{name}_moved"].copy_(moved.norm() / size.norm())

    @property
    def flat(self) -> Tensor:
        """All sums, on the device, float64."""
        return self._sums.flat

    def findings(self, host: Tensor) -> tuple[Flush, list[Finding]]:
        """Metrics and findings of the iteration, from a host copy of `flat`; begins the next iteration."""
        sums = self._sums.unpack(host)
        parts = {name: sums.pop(f"{name}_parts").tolist() for name in self._names}
        numbers = {name: float(value) for name, value in sums.items()}
        self._sums.flat.zero_()
        if not self._due:
            return {}, []
        residual = max(numbers["plain"], numbers["at_ends"])
        values = {STORED: numbers["stored"], BOOTSTRAP: numbers["bootstrap"], RESIDUAL: residual}
        values |= {ACTOR_MOVED: numbers["actor_moved"], CRITIC_MOVED: numbers["critic_moved"]}
        flush = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
        found = [*_said(numbers), *self._settings(), *self._still_parts(parts, numbers)]
        return flush, [Finding(kind, subject, text) for kind, subject, text in found]

    def _settings(self) -> list[tuple[str, str, str]]:
        """Settings that the algorithm holds and the manifest says otherwise."""
        alg, ppo = self._alg, self._ppo
        pairs = {name: (getattr(alg, name), getattr(ppo, name)) for name in _SETTINGS}
        rates = {float(group["lr"]) for group in alg.optimizer.param_groups}
        pairs["learning_rate"] = (max(rates, key=lambda rate: abs(rate - alg.learning_rate)), alg.learning_rate)
        return [
            ("ppo_settings", name, f"the algorithm has {has}, the manifest or its schedule says {said}")
            for name, (has, said) in pairs.items()
            if has != said
        ]

    def _still_parts(self, parts: dict[str, list[float]], n: dict[str, float]) -> list[tuple[str, str, str]]:
        """Parameters that stand still in a network that moves."""
        text = "did not change in the update, while the rest of the network did: is it trained?"
        return [
            ("still_network", f"{network} {name}", text)
            for network, names in self._names.items()
            for name, moved, unused in zip(names, parts[network], self._unused.get(network, ()), strict=False)
            if moved == 0 and not unused and n[f"{network}_moved"] > STILL
        ]


def _said(n: dict[str, float]) -> list[tuple[str, str, str]]:
    """Kind, subject and message of everything that is wrong."""
    found: list[tuple[str, str, str]] = []
    if n["plain"] > TOLERANCE:
        text = "stored reward of transitions that do not end an episode differs from the environment's reward of"
        found.append(("ppo_reward", "received", f"{text} that step by {n['plain']:.2g} of the largest"))
    if n["at_ends"] > TOLERANCE:
        text = (
            "stored reward where episodes end differs from reward plus bootstrap (discount * value, at a time-out and"
        )
        found.append(
            ("ppo_bootstrap", "bootstrap", f"{text} nowhere else) by {n['at_ends']:.2g} of the largest reward")
        )
    if n["dones"] > 0:
        text = (
            f"{n['dones']:.0f} transitions are stored as the end of an episode, or not, where the "
            f"environment said otherwise"
        )
        found.append(("ppo_ends", "dones", text))
    for name, subject, text in (
        ("actions", "actions", "actions in the storage differ from those that the environment received"),
        ("observations", "stored observations", "observations in the storage differ from those that were acted on"),
    ):
        if n[name] > TOLERANCE:
            found.append(("ppo_storage", subject, f"{text}, by {n[name]:.2g}"))
    if n["acted"] > TOLERANCE:
        text = "actions come from another policy than the one that learns: their means differ by"
        found.append(("policy_age", "policy that acted", f"{text} {n['acted']:.2g} of the largest"))
    if n["values"] > TOLERANCE:
        text = (
            f"values in the storage are not the critic's of these observations: {n['values']:.2g} of the largest apart"
        )
        found.append(("ppo_storage", "values of the critic", text))
    if n["returns"] > 10 * TOLERANCE or n["advantages"] > 10 * TOLERANCE:
        text = (
            "differ from generalised advantage estimation over the recorded rewards and ends, computed again, by "
            f"{max(n['returns'], n['advantages']):.2g}"
        )
        found.append(("ppo_advantages", "advantages and returns", text))
    for name in ("actor", "critic"):
        if n[f"{name}_count"] > 0.5:
            text = f"{n[f'{name}_count']:.0f} observations too few or too many were entered: it is frozen, or fed twice"
            found.append(("normaliser", f"{name}'s normaliser", text))
        elif n[f"{name}_moments"] > 10 * TOLERANCE:
            text = f"moments differ from those of the observations by {n[f'{name}_moments']:.2g}: it is fed other data"
            found.append(("normaliser", f"{name}'s normaliser", text))
    if n["actor_moved"] <= STILL:
        text = (
            f"the update moved the actor's parameters by {n['actor_moved']:.1g} of their size: the policy "
            f"does not learn"
        )
        found.append(("still_network", "policy, learning rate", text))
    if n["critic_moved"] <= STILL:
        text = (
            f"the update moved the critic's parameters by {n['critic_moved']:.1g} of their size: the "
            f"critic does not learn"
        )
        found.append(("still_network", "critic", text))
    return found


def _normalizer(model: Any) -> Any:
    return model.obs_normalizer if model.obs_normalization and model.training else None
