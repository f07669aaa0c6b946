"""The Slide view of the Batch page."""
