"""Read-first mode of Inspect: the reader's opinion before the model's, and again after it."""
