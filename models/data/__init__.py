"""Data sets: manifests, splits that keep patients and duplicates together, phantoms."""
