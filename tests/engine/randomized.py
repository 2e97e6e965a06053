"""Manifest overrides that put factors of choice in place of the shipped ones."""


def factor(name: str, *edges: float, mode: str = "startup") -> str:
    """Adds a factor, or replaces a shipped one."""
    listed = ",".join(f"{edge:g}" for edge in edges)
    return f"++randomization.factors.{name}={{edges:[{listed}],mode:{mode}}}"
