"""RSL-RL's PPO with transitions that do not count, a ceiling on the learning rate, and two threads for the update."""

import copy
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.models import MLPModel
from rsl_rl.modules import EmpiricalNormalization
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict
from torch import Tensor, nn

from surefoot.errors import Diverged
from surefoot.rl.normalization import update_normalizer
from surefoot.rl.symmetric_model import SymmetricMLPModel
from surefoot.runs import isaaclab_run

Batch = RolloutStorage.Batch


@dataclass
class _ActorLoss:
    loss: Tensor
    surrogate: Tensor
    entropy: Tensor
    clipped: Tensor
    symmetry: Tensor | None


class MaskedPPO(PPO):
    """PPO from which invalid transitions are left out as if they had never been recorded.

    `extras["invalid"]` of a step marks transitions that a fault has spoilt: they enter neither losses nor advantage
    normalisation, and the step before bootstraps from the value of the last valid state. `extras["invalid_obs"]` marks
    observations that must not enter the normaliser and from which no valid transition can start. Without either the
    update is RSL-RL's.

    Two further differences. The adaptive learning rate stays at or below `max_learning_rate` (RSL-RL fixes 1e-2, where
    the small networks used on a CPU become unstable). With `threads` above 1 the critic's gradients are computed
    beside the actor's, each with half of the threads: the two networks share nothing, so it is the same update.

    Attributes:
        diagnostics: Means over the mini-batches of the last update; see `docs/accounts.md`, "Learning".
    """

    def __init__(self, *args: Any, max_learning_rate: float, threads: int = 1, **kwargs: Any) -> None:
        self._max_learning_rate = max_learning_rate
        self._learning_rate = 0.0
        super().__init__(*args, **kwargs)
        storage = self.storage
        shape = (storage.num_transitions_per_env, storage.num_envs)
        self.valid = torch.ones(shape, dtype=torch.bool, device=self.device)
        self._invalid_obs: Tensor | None = None
        self.diagnostics: dict[str, float] = {}
        self._first: Tensor | None = None
        self._task: Any = None
        self._worker: ThreadPoolExecutor | None = None
        if threads > 1:
            self._worker = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(threads // 2,))

    @staticmethod
    def construct_algorithm(obs: TensorDict, env: Any, cfg: dict[str, Any], device: str) -> "MaskedPPO":
        """As RSL-RL's; under Isaac Lab's own trainer the environment's manifest is kept, to go into checkpoints."""
        task: Any = getattr(env, "unwrapped", None)
        if not hasattr(task, "learn_with"):
            return cast("MaskedPPO", PPO.construct_algorithm(obs, env, cfg, device))
        task.learn_with(isaaclab_run.learned_with(task.manifest, cfg))
        algorithm = cast("MaskedPPO", PPO.construct_algorithm(obs, env, cfg, device))
        algorithm._task = task
        return algorithm

    def save(self) -> dict[str, Any]:
        """State of networks and optimiser, and under Isaac Lab's trainer the manifest."""
        note = {} if self._task is None else isaaclab_run.note(self._task.manifest, self._task.samples)
        return super().save() | ({isaaclab_run.NOTE: note} if note else {})

    def load(self, loaded_dict: dict[str, Any], load_cfg: dict[str, Any] | None, strict: bool) -> bool:
        """As RSL-RL's; under Isaac Lab's trainer the penalty ramp goes on where the checkpoint left it."""
        note = loaded_dict.get(isaaclab_run.NOTE)
        if self._task is not None and isinstance(note, dict):
            self._task.samples = int(note.get("samples", 0))
        return super().load(loaded_dict, load_cfg, strict)

    @property
    def learning_rate(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Current rate; assignments are cut at the ceiling."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = min(value, self._max_learning_rate)

    def act(self, obs: TensorDict) -> Tensor:
        """Sample actions; zero where the observation is invalid."""
        actions = super().act(obs)
        if self._invalid_obs is not None:
            actions = torch.where(self._invalid_obs.unsqueeze(1), 0.0, actions)
        return actions

    def process_env_step(self, obs: TensorDict, rewards: Tensor, dones: Tensor, extras: dict[str, Any]) -> None:
        """Record one environment step and update the normalisers.

        Args:
            obs: Observations after the step and its resets.
            rewards: Shape (num_envs,).
            dones: Shape (num_envs,).
            extras: `time_outs`, `invalid` and `invalid_obs`, each of shape (num_envs,), bool; all optional.
        """
        invalid, invalid_obs = extras.get("invalid"), extras.get("invalid_obs")
        valid_obs = None if invalid_obs is None else ~invalid_obs
        for model in (self.actor, self.critic):
            _normalize(cast("MLPModel", model), obs, valid_obs)
        spoilt = _either(invalid, self._invalid_obs)
        transition = self.transition
        reward = rewards.clone()
        # A time-out is no end of the task: the value of going on is added to the reward, as RSL-RL does.
        if "time_outs" in extras:
            reward += self.gamma * transition.values.squeeze(1) * extras["time_outs"]  # pyright: ignore
        if spoilt is not None:
            reward = torch.where(spoilt, 0.0, reward)
            self.valid[self.storage.step] = ~spoilt
        else:
            self.valid[self.storage.step] = True
        transition.rewards = reward
        transition.dones = dones if spoilt is None else dones | spoilt
        self.storage.add_transition(transition)
        transition.clear()
        # Of the state after this step, from which the next transition starts.
        self._invalid_obs = invalid_obs

    def compute_returns(self, obs: TensorDict) -> None:
        """Generalised advantage estimation that ends at a fault, without what the fault has spoilt."""
        st = self.storage
        next_values = self.critic(obs).detach()
        advantage = torch.zeros_like(next_values)
        for step in reversed(range(st.num_transitions_per_env)):
            done, valid = st.dones[step].bool(), self.valid[step].unsqueeze(1)
            follow = torch.where(done, 0.0, next_values)
            delta = st.rewards[step] + self.gamma * follow - st.values[step]
            advantage = delta + self.gamma * self.lam * torch.where(done, 0.0, advantage)
            # 0 for a spoilt step: the step before, which is not done, then continues with V(s_t) and nothing else.
            advantage = torch.where(valid, advantage, 0.0)
            st.returns[step] = advantage + st.values[step]
            next_values = st.values[step]
        st.advantages = st.returns - st.values
        kept = st.advantages[self.valid]
        self._describe(kept, st.values[self.valid], st.returns[self.valid])
        if not self.normalize_advantage_per_mini_batch:
            st.advantages = (st.advantages - kept.mean()) / (kept.std() + 1e-8)

    def update(self) -> dict[str, float]:
        """Run the optimisation epochs over the valid transitions; mean losses."""
        sums: dict[str, float] = {}
        self._first = None
        batches = 0
        for batch in self._mini_batches():
            for name, value in self._update_on(batch).items():
                sums[name] = sums.get(name, 0.0) + value
            batches += 1
        self.storage.clear()
        means = {name: value / max(batches, 1) for name, value in sums.items()}
        if self._first is not None:
            self.diagnostics |= dict(zip(("log_ratio", "pairing"), self._first.tolist(), strict=True))
        losses = ("value", "surrogate", "entropy", "symmetry")
        self.diagnostics |= {name: value for name, value in means.items() if name not in losses}
        return {name: means.get(name, 0.0) for name in losses[:3]} | {n: means[n] for n in losses[3:] if n in means}

    def _mini_batches(self) -> Iterator[Batch]:
        """RSL-RL's mini-batches (one shuffle, the same in every epoch) from the valid rows alone."""
        st = self.storage
        rows = self.valid.flatten().nonzero().squeeze(1)
        # Mini-batches of one size, as RSL-RL's: fewer rows than there are mini-batches may be left over.
        size = len(rows) // self.num_mini_batches
        if size < 2:  # one sample has no standard deviation to be normalised with
            return
        order = rows[torch.randperm(self.num_mini_batches * size, device=self.device)]
        assert st.distribution_params is not None
        batches = [
            Batch(
                observations=cast("TensorDict", st.observations.flatten(0, 1)[index]),
                actions=st.actions.flatten(0, 1)[index],
                values=st.values.flatten(0, 1)[index],
                advantages=st.advantages.flatten(0, 1)[index],
                returns=st.returns.flatten(0, 1)[index],
                old_actions_log_prob=st.actions_log_prob.flatten(0, 1)[index],
                old_distribution_params=tuple(p.flatten(0, 1)[index] for p in st.distribution_params),
            )
            for index in order.split(size)
        ]
        if self.normalize_advantage_per_mini_batch:
            for batch in batches:
                advantages = cast("Tensor", batch.advantages)
                batch.advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        if self.symmetry:
            for batch, index in zip(batches, order.split(size), strict=True):
                self.symmetry.augment_batch(batch, len(index))
        for _ in range(self.num_learning_epochs):
            yield from batches

    def _update_on(self, batch: Batch) -> dict[str, float]:
        assert batch.old_distribution_params is not None
        count = len(batch.old_distribution_params[0])
        self.optimizer.zero_grad()
        critic = self._worker.submit(self._critic_step, batch) if self._worker is not None else None
        actor = self._actor_loss(batch, count)
        kl = self._follow_kl(batch, count)
        actor.loss.backward()
        value_loss = self._critic_step(batch) if critic is None else critic.result()
        if self.is_multi_gpu:
            self.reduce_parameters()
        actor_norm = nn.utils.clip_grad_norm_(self.actor.parameters(), self.max_grad_norm)
        critic_norm = nn.utils.clip_grad_norm_(self.critic.parameters(), self.max_grad_norm)
        self.optimizer.step()
        found = {
            "value": value_loss, "surrogate": actor.surrogate, "entropy": actor.entropy, "kl": kl,
            "clipped_share": actor.clipped, "actor_grad_norm": actor_norm, "critic_grad_norm": critic_norm,
        }  # fmt: skip
        if actor.symmetry is not None:
            found["symmetry"] = actor.symmetry
        # One transfer for all numbers, because each one waits for the device.
        host = torch.stack([value.detach().float() for value in found.values()]).tolist()
        numbers = dict(zip(found, host, strict=True))
        if not all(map(math.isfinite, host)):
            raise Diverged(self._first_broken(batch, numbers))
        return numbers

    def _first_broken(self, batch: Batch, numbers: dict[str, float]) -> str:
        """Which number is not finite, in the order in which an update computes them."""
        given = {
            "observations": torch.cat([batch.observations[group] for group in ("actor", "critic")], dim=-1),  # pyright: ignore
            "actions": batch.actions,
            "values": batch.values,
            "returns": batch.returns,
            "advantages": batch.advantages,
        }
        for name, value in given.items():
            count = int((~torch.isfinite(cast("Tensor", value))).sum())
            if count:
                return f"{count} numbers of the {name} that the update learns from are not finite"
        order = ("surrogate", "entropy", "kl", "value", "actor_grad_norm", "critic_grad_norm")
        name = next(name for name in (*order, *numbers) if not math.isfinite(numbers[name]))
        what = name.replace("_grad_norm", "'s gradient")
        return f"{what} is {numbers[name]}, from finite observations, values, returns and advantages"

    def _actor_loss(self, batch: Batch, count: int) -> _ActorLoss:
        self.actor(batch.observations, stochastic_output=True)
        log_prob = self.actor.get_output_log_prob(batch.actions)  # pyright: ignore
        entropy = self.actor.output_entropy[:count].mean()
        log_ratio = log_prob - cast("Tensor", batch.old_actions_log_prob).squeeze(1)
        ratio = torch.exp(log_ratio)
        advantages = cast("Tensor", batch.advantages).squeeze(1)
        # In the first mini-batch the policy is still the one that acted, so that every ratio should be 1.
        if self._first is None:
            self._first = self._pairing(batch, log_ratio.detach(), advantages, count)
        bounded = ratio.clamp(1.0 - self.clip_param, 1.0 + self.clip_param)
        surrogate = torch.max(-advantages * ratio, -advantages * bounded).mean()
        loss = surrogate - self.entropy_coef * entropy
        symmetry = None
        if self.symmetry:
            own = copy.copy(batch)  # RSL-RL replaces the observations in it
            symmetry = self.symmetry.compute_loss(cast("MLPModel", self.actor), own, count)
            if self.symmetry.use_mirror_loss:
                loss = loss + self.symmetry.mirror_loss_coeff * symmetry
        return _ActorLoss(loss, surrogate, entropy, (ratio != bounded).float().mean(), symmetry)

    @staticmethod
    def _pairing(batch: Batch, log_ratio: Tensor, advantages: Tensor, count: int) -> Tensor:
        """How well the rows of a mini-batch belong together: mean |log ratio|, correlation of the advantage."""
        gain = (cast("Tensor", batch.returns)[:count] - cast("Tensor", batch.values)[:count]).squeeze(1)
        advantages = advantages[:count]
        centred = (advantages - advantages.mean(), gain - gain.mean())
        product = (centred[0] * centred[1]).sum()
        size = (centred[0].square().sum() * centred[1].square().sum()).sqrt().clamp(min=1e-30)
        return torch.stack((log_ratio[:count].abs().mean(), product / size))

    def _critic_step(self, batch: Batch) -> Tensor:
        values = self.critic(batch.observations)
        old, returns = cast("Tensor", batch.values), cast("Tensor", batch.returns)
        losses = (values - returns).square()
        if self.use_clipped_value_loss:
            bounded = old + (values - old).clamp(-self.clip_param, self.clip_param)
            losses = torch.max(losses, (bounded - returns).square())
        value_loss = losses.mean()
        (self.value_loss_coef * value_loss).backward()
        return value_loss

    def _follow_kl(self, batch: Batch, count: int) -> Tensor:
        """RSL-RL's adaptive schedule."""
        with torch.inference_mode():
            now = tuple(p[:count] for p in self.actor.output_distribution_params)
            kl = self.actor.get_kl_divergence(batch.old_distribution_params, now).mean()  # pyright: ignore
            if self.schedule != "adaptive" or not self.desired_kl:
                return kl
            if self.is_multi_gpu:
                torch.distributed.all_reduce(kl)
                kl /= self.gpu_world_size
            if kl > self.desired_kl * 2.0:
                self.learning_rate = max(1e-5, self.learning_rate / 1.5)
            elif 0.0 < kl < self.desired_kl / 2.0:
                self.learning_rate = min(1e-2, self.learning_rate * 1.5)
            for group in self.optimizer.param_groups:
                group["lr"] = self.learning_rate
            return kl

    def _describe(self, advantages: Tensor, values: Tensor, returns: Tensor) -> None:
        if len(advantages) < 2:
            self.diagnostics = {}
            return
        unexplained = (returns - values).var() / returns.var().clamp(min=1e-12)
        found = torch.stack(
            (advantages.mean(), advantages.std(), advantages.amin(), advantages.amax(), 1 - unexplained)
        )
        names = ("advantage_mean", "advantage_std", "advantage_min", "advantage_max", "explained_variance")
        self.diagnostics = dict(zip(names, found.tolist(), strict=True))


def _normalize(model: MLPModel, obs: TensorDict, valid: Tensor | None) -> None:
    if isinstance(model, SymmetricMLPModel):
        model.update_normalization(obs, valid)
    elif model.obs_normalization and model.training:
        x = torch.cat([obs[group] for group in model.obs_groups], dim=-1)
        update_normalizer(cast("EmpiricalNormalization", model.obs_normalizer), x, valid)


def _either(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other
