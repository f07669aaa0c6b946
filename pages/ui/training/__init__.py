"""The Training page: learning curves, recipe, cost and notebook of runs."""
