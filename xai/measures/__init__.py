"""What can be measured of a heatmap: so far, how well it finds a lesion whose outline is known."""

from xai.measures.localisation import Localisation, localise

__all__ = ["Localisation", "localise"]
