"""LesionLens: from feature maps to understanding."""
