"""Recipes: every choice that shapes a run."""
