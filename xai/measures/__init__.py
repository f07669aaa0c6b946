"""What can be measured of a heatmap.

localisation, froc, baselines: does it find a lesion whose outline is known? faithfulness: does the score
depend on what it shows? stability: does it stay under changes that mean nothing? randomisation: is it made of
what the network learned? agreement, across_runs: do two maps of one image speak for the same place?
"""

from xai.measures.localisation import Localisation, localise

__all__ = ["Localisation", "localise"]
