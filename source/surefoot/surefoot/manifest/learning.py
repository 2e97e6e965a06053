"""The learning sections: PPO and the training run."""

from typing import Annotated, Literal

from pydantic import Field

from surefoot.manifest.base import (
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Section,
)

Units = Annotated[int, Field(gt=0, le=16_384)]
Steps = Annotated[int, Field(gt=0, le=100_000)]


class Network(Section):
    """One multilayer perceptron of RSL-RL."""

    hidden_dims: Annotated[tuple[Units, ...], Field(min_length=1, max_length=32)]
    """Units of each hidden layer."""
    activation: Literal["elu", "selu", "relu", "lrelu", "tanh", "gelu", "swish", "mish"]
    obs_normalization: bool
    """Whether observations are normalised by their running mean and standard deviation."""


class Ppo(Section):
    """RSL-RL's PPO; names and meaning are RSL-RL's."""

    num_steps_per_env: Steps
    num_learning_epochs: Steps
    num_mini_batches: Steps
    clip_param: PositiveFloat
    gamma: Fraction
    lam: Fraction
    value_loss_coef: NonNegativeFloat
    entropy_coef: NonNegativeFloat
    learning_rate: PositiveFloat
    max_learning_rate: PositiveFloat
    """Ceiling of the adaptive schedule."""
    schedule: Literal["adaptive", "fixed"]
    desired_kl: PositiveFloat
    max_grad_norm: PositiveFloat
    use_clipped_value_loss: bool
    normalize_advantage_per_mini_batch: bool
    init_std: PositiveFloat
    """Standard deviation of the action distribution at the start, in units of action."""
    symmetry: Literal["none", "augmentation", "mirror_loss", "equivariant"]
    """none; RSL-RL's data augmentation or mirror loss; or networks that are mirror-symmetric by construction."""
    mirror_loss_coeff: NonNegativeFloat
    actor: Network
    critic: Network


class Training(Section):
    """One run."""

    num_envs: PositiveInt
    max_iterations: PositiveInt
    save_interval: PositiveInt
    """Iterations between checkpoints."""
    logger: Literal["tensorboard", "wandb", "none"]
    learning_threads: Annotated[int, Field(ge=0, le=1024)]
    """torch threads of the PPO update on a CPU; from 2 on the critic is updated beside the actor; 0 means all cores."""
