"""Do two engines simulate the same task? Each is probed in a process of its own; what they wrote is compared here."""
