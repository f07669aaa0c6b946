"""Trust: how far a run's heatmaps have been measured, and what the measuring came to."""
