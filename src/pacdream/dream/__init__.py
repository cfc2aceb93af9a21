"""The dream as an environment to act and to learn in."""
