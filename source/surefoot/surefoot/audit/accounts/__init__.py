"""What is counted in every step and every episode, exactly."""
