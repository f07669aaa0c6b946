"""Results of other programs, brought in by a visitor for the length of a visit."""
