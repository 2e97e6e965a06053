"""Terms as pure functions of tensors, and the list of what they may read."""
