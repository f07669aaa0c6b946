"""The probability map of a slide as a picture and as files, and the heatmap of any of its tiles."""
