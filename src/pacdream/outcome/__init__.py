"""What a step earns: points, lives and the end of the game, read from codes alone."""
