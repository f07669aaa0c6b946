"""What every page shares: frame, state, caches, pickers, figures, downloads."""
