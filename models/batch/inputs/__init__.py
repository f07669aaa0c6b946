"""Kinds of input, a file a kind: folders, ZIP, TAR, manifests. `models.batch.listing` puts them together."""

from models.batch.inputs.entry import ArchiveLimits, Entry, Source

__all__ = ["ArchiveLimits", "Entry", "Source"]
