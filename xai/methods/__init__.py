"""Ways of making maps, behind one interface: `make_maps(reading, Request(Target("malignant"), "layercam"))`.

Nothing here loads TensorFlow; what needs it is in `xai.methods.gradient` and imported when it is asked for.
"""

from xai.methods.layers import published_layers
from xai.methods.making import check_request, make_maps
from xai.methods.registry import (
    DEFAULT_METHOD,
    METHODS,
    Method,
    check_method,
    method_title,
    passes,
    same_as,
    why_not,
)
from xai.methods.request import Cancelled, Request, Watch
from xai.methods.target import Target

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "Cancelled",
    "Method",
    "Request",
    "Target",
    "Watch",
    "check_method",
    "check_request",
    "make_maps",
    "method_title",
    "passes",
    "published_layers",
    "same_as",
    "why_not",
]
