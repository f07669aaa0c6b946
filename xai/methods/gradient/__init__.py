"""Maps by backpropagation through the Keras network, and those of tf-keras-vis: the methods that need
TensorFlow.

Each takes a models.engines.tensorflow.TensorFlowEngine and differentiates the target itself, a combination of
logits. TensorFlow loads with the first map, not with this package.
"""

from xai.methods.gradient.guided import guided_backprop, guided_grad_cam
from xai.methods.gradient.layers import layer_tensors
from xai.methods.gradient.library import library_map
from xai.methods.gradient.path import IG_STEPS, PathIntegral, integrated_gradients, path_integral
from xai.methods.gradient.pixels import SMOOTH_SAMPLES, saliency, smoothgrad

__all__ = [
    "IG_STEPS",
    "SMOOTH_SAMPLES",
    "PathIntegral",
    "guided_backprop",
    "guided_grad_cam",
    "integrated_gradients",
    "layer_tensors",
    "library_map",
    "path_integral",
    "saliency",
    "smoothgrad",
]
