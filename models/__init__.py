"""LesionLens: from bytes to a probability."""

__version__ = "0.1.0"
