"""The Compare page: one study through many runs, two runs against each other, all runs side by side."""
