"""Deciding by imagining: many futures of actions, judged, and the best one followed."""
