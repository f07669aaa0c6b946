"""The Batch page: many studies given, scored while one watches, looked through and taken home."""
