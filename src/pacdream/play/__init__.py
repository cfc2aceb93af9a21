"""The dream to play in a browser, beside the real game."""
