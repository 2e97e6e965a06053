"""Kinds of faults: what makes a transition invalid, whatever it says."""

FAULT_KINDS: dict[str, str] = {
    "exception": "the simulator raised an exception; every environment of the step is invalid",
    "warning": "the simulator warned: a state or control that is not a number, an automatic reset, memory exhausted",
    "overflow": "a contact or constraint buffer was too small, so that contacts were dropped",
    "state": "a position or velocity is not finite",
    "bounds": "a position or velocity is beyond `audit.fault`'s physical bounds",
    "action": "the policy's action is not finite",
    "reward": "a reward term is not finite",
    "observation": "an observation is not finite, or the step started from one that was not",
}
"""Meaning by name; the order is that of the axis `fault`."""

KINDS = tuple(FAULT_KINDS)


def kind_index(name: str) -> int:
    """Column of a kind."""
    return KINDS.index(name)
