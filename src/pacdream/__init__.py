"""pacdream: a latent-space world-model lab for Atari games."""

__version__ = "0.1.0"
