"""Inspect's question how far a heatmap can be trusted: methods, slow maps, the trust card."""
