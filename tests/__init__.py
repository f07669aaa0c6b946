"""A package of its own, because an installed one (of tf-keras-vis) is also called `tests`."""
