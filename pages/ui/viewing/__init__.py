"""How a DICOM is looked at: which frame, which window, and what its file says of the image."""
