"""A whole slide scored tile by tile: where its tissue is, which tiles it is cut into, what a run says of
each."""
