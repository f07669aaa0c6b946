"""Evaluate: how good a run is, at which threshold, for whom, and which cases it gets wrong."""
