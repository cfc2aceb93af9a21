"""Agents that learn by acting, in the dream or in the game: Stable-Baselines3's, behind our own interfaces."""
