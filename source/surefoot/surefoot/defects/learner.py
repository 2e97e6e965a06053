"""Defects of the learner: what it stores, what it learns from, and how it steps."""

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from surefoot.defects import patches
from surefoot.defects.registry import defect

if TYPE_CHECKING:
    from surefoot.rl.runner import TrainRunner


def _after_returns(runner: "TrainRunner", change: Any) -> None:
    """Change the storage when returns and advantages are known."""

    def compute(original: Any, obs: Any) -> None:
        original(obs)
        change(runner.alg.storage)

    patches.around(runner.alg, "compute_returns", compute)


@defect("learner", "advantage", "RLMutation")
def advantages_ignore_ends(runner: "TrainRunner") -> None:
    """Advantages reach over the ends of episodes."""

    def compute(original: Any, obs: Any) -> None:
        dones = runner.alg.storage.dones.clone()
        runner.alg.storage.dones.zero_()
        original(obs)
        runner.alg.storage.dones.copy_(dones)

    patches.around(runner.alg, "compute_returns", compute)


@defect("learner", "advantage")
def advantages_shuffled(runner: "TrainRunner") -> None:
    """Advantages belong to other transitions."""

    def shuffle(storage: Any) -> None:
        flat = storage.advantages.flatten()
        storage.advantages = flat[torch.randperm(len(flat))].view_as(storage.advantages)

    _after_returns(runner, shuffle)


@defect("learner", ("advantage", "mini-batch"))
def mini_batches_mispaired(runner: "TrainRunner") -> None:
    """In a mini-batch the advantages are those of other rows."""

    def batches(original: Any) -> Any:
        for batch in original():
            batch.advantages = batch.advantages.roll(1, dims=0)
            yield batch

    patches.around(runner.alg, "_mini_batches", batches)


@defect("learner", ("policy", "mini-batch", "actions"))
def mini_batches_with_other_actions(runner: "TrainRunner") -> None:
    """In a mini-batch the actions are those of other rows."""

    def batches(original: Any) -> Any:
        for batch in original():
            batch.actions = batch.actions.roll(1, dims=0)
            yield batch

    patches.around(runner.alg, "_mini_batches", batches)


@defect("learner", ("advantage", "return"), "RLMutation")
def no_discount(runner: "TrainRunner") -> None:
    """Returns are computed without a discount."""
    gamma = runner.alg.gamma

    def compute(original: Any, obs: Any) -> None:
        runner.alg.gamma = 1.0
        original(obs)
        runner.alg.gamma = gamma

    patches.around(runner.alg, "compute_returns", compute)


@defect("learner", ("advantage", "return"), "RLMutation")
def no_reverse(runner: "TrainRunner") -> None:
    """Returns are accumulated forwards in time."""

    def forward(storage: Any) -> None:
        storage.returns.copy_(storage.returns.flip(0))
        storage.advantages = storage.returns - storage.values

    _after_returns(runner, forward)


@defect("learner", "critic", "muPRL")
def critic_does_not_learn(runner: "TrainRunner") -> None:
    """The critic's parameters get no gradient."""
    for parameter in runner.alg.critic.parameters():
        parameter.requires_grad_(False)
    runner.alg._critic_step = lambda batch: torch.zeros(())  # pyright: ignore


@defect("learner", "critic", overrides=("ppo.value_loss_coef=0.000001",))
def critic_hardly_learns(runner: "TrainRunner") -> None:
    """The weight of the value loss is 1e-6 and the critic is held where it is."""
    runner.alg.value_loss_coef = 0.0


@defect("learner", ("learn", "rate"), "muPRL")
def learning_rate_near_zero(runner: "TrainRunner") -> None:
    """The learning rate is 1e-12."""
    runner.alg._max_learning_rate = 1e-12  # pyright: ignore
    runner.alg.learning_rate = 1e-12
    for group in runner.alg.optimizer.param_groups:
        group["lr"] = 1e-12


@defect("learner", ("learn", "rate", "policy"), "muPRL")
def optimiser_without_the_actor(runner: "TrainRunner") -> None:
    """The optimiser does not hold the actor's parameters."""
    owned = {id(parameter) for parameter in runner.alg.actor.parameters()}
    for group in runner.alg.optimizer.param_groups:
        group["params"] = [p for p in group["params"] if id(p) not in owned]


@defect("learner", ("std", "deviation"))
def std_of_a_thousandth(runner: "TrainRunner") -> None:
    """The actions' standard deviation is 0.001."""
    for name, parameter in runner.alg.actor.named_parameters():
        if "std" in name:
            parameter.data.fill_(-6.9)
            parameter.requires_grad_(False)


@defect("learner", ("std", "deviation", "entropy"), "muPRL", overrides=("ppo.entropy_coef=1.0",))
def entropy_rules(runner: "TrainRunner") -> None:
    """The entropy bonus is 250 times too large."""


@defect("learner", ("KL", "policy"), overrides=("ppo.schedule=fixed", "ppo.learning_rate=0.008"))
def kl_of_one(runner: "TrainRunner") -> None:
    """The learning rate is fixed where each iteration moves the policy far."""


@defect("learner", ("policy", "acted"))
def acting_with_an_old_policy(runner: "TrainRunner") -> None:
    """Actions come from the policy of ten iterations before."""
    alg: Any = runner.alg
    states: list[dict[str, Tensor]] = []

    def act(original: Any, obs: Any) -> Tensor:
        if alg.storage.step == 0:
            states.append(copy.deepcopy(alg.actor.state_dict()))
            del states[:-11]
        now = copy.deepcopy(alg.actor.state_dict())
        alg.actor.load_state_dict(states[0])
        actions = original(obs)
        alg.actor.load_state_dict(now)
        return actions

    patches.around(alg, "act", act)


def _normalisers(runner: "TrainRunner") -> list[Any]:
    return [runner.alg.actor.obs_normalizer, runner.alg.critic.obs_normalizer]


@defect("learner", "normaliser", "muPRL")
def normaliser_frozen(runner: "TrainRunner") -> None:
    """The normalisers of the observations stay as they were built."""
    for model in (runner.alg.actor, runner.alg.critic):
        if hasattr(model, "update_normalization"):
            model.update_normalization = lambda *args, **kwargs: None  # pyright: ignore


@defect("learner", "normaliser")
def normaliser_fed_other_data(runner: "TrainRunner") -> None:
    """The actor's normaliser is fed observations times three."""
    actor: Any = runner.alg.actor

    def other(original: Any, obs: Any, *rest: Any) -> None:
        changed = obs.clone()
        changed["actor"] = 3.0 * changed["actor"]
        original(changed, *rest)

    patches.around(actor, "update_normalization", other)


@defect("learner", ("objective", "surrogate", "policy"), "muPRL")
def loss_of_the_wrong_sign(runner: "TrainRunner") -> None:
    """The policy moves against its objective."""

    def loss(original: Any, batch: Any, count: int) -> Any:
        found = original(batch, count)
        found.loss = -found.loss
        return found

    patches.around(runner.alg, "_actor_loss", loss)


@defect("learner", ("learn", "policy", "update"), "RLMutation")
def update_left_out(runner: "TrainRunner") -> None:
    """The policy is never updated."""

    def update(original: Any) -> Any:
        runner.alg.storage.clear()
        return {"value": 0.0, "surrogate": 0.0, "entropy": 0.0}

    patches.around(runner.alg, "update", update)


@defect("learner", ("value", "critic"))
def values_of_the_neighbour(runner: "TrainRunner") -> None:
    """The values in the storage are those of other environments."""

    def process(original: Any, *args: Any) -> None:
        runner.alg.transition.values = runner.alg.transition.values.roll(1, dims=0)  # pyright: ignore
        original(*args)

    patches.around(runner.alg, "process_env_step", process)


@defect("learner", ("diverged", "finite"))
def update_not_finite(runner: "TrainRunner") -> None:
    """In iteration 3 a gradient is not a number."""

    def loss(original: Any, batch: Any, count: int) -> Any:
        found = original(batch, count)
        if runner.iterations_done == 2:
            found.loss = found.loss * float("nan")
        return found

    patches.around(runner.alg, "_actor_loss", loss)


@defect("learner", "clip_param")
def clip_range_ten(runner: "TrainRunner") -> None:
    """The ratio is clipped at 10 in place of 0.2."""
    runner.alg.clip_param = 10.0


@defect("learner", ("std", "distribution"))
def std_not_trained(runner: "TrainRunner") -> None:
    """The standard deviation of the actions gets no gradient."""
    for name, parameter in runner.alg.actor.named_parameters():
        if "std" in name:
            parameter.requires_grad_(False)


@defect("learner", ("gamma", "advantage"), "muPRL")
def discount_half(runner: "TrainRunner") -> None:
    """The discount is 0.5."""
    runner.alg.gamma = 0.5
