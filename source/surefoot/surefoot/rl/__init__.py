"""PPO by RSL-RL on surefoot environments."""
