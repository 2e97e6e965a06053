"""What a policy does under a panel of conditions: what is measured, how sure that is, how two policies differ."""
