"""The methods there are: what each is called, where it was published, and which run can give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from models.errors import BadInput
from xai.cam import LOGIT_PER_CELL

if TYPE_CHECKING:
    from models.runs import Run

DEFAULT_METHOD = "grad-cam"
LIBRARY = "tf-keras-vis/"
ARBITRARY = "arbitrary unit"
# Swish and its relatives instead of ReLU: guided backpropagation has nothing to hold back there.
WITHOUT_RELU = ("efficientnetb0", "mobilenetv3large", "mobilenetv3small")
GUIDED = ("guided-backprop", "guided-grad-cam")
# The same sum over cells of gradient x activation, however it is shared out, where the gradient is even.
EVEN_GRADIENT = ("hirescam", "xgrad-cam")

# The paper draws thousands; a page waits for these, and whoever can wait longer asks for more.
RISE_MASKS = 500
# tf-keras-vis computes these as we do; its Grad-CAM++ and Score-CAM are other maps.
_SECOND = {
    f"{LIBRARY}grad-cam": "the same map as Grad-CAM, rectified, by another program",
    f"{LIBRARY}layercam": "the same map as LayerCAM, rectified, by another program",
    f"{LIBRARY}saliency": "the same map as Saliency, by another program",
}


@dataclass(frozen=True)
class Method:
    """One way of making maps.

    family: "stored" (from what the engine's one pass left), "perturbation" (many passes of any engine),
    "gradient" (backpropagation to the input, TensorFlow) or "library" (tf-keras-vis, a second opinion).
    paper: authors, venue, year. unit: of a map's values. about: one plain sentence. layers: "any" published
    layer of a branch, the "last" one of each branch only, or "none" where the map is of the whole network.
    """

    key: str
    title: str
    family: Literal["stored", "perturbation", "gradient", "library"]
    paper: str
    unit: str
    about: str
    layers: Literal["any", "last", "none"] = "none"


_LISTED = (
    Method(
        "grad-cam", "Grad-CAM", "stored", "Selvaraju et al., ICCV 2017", LOGIT_PER_CELL,
        "Feature maps weighted by the mean gradient of the class; adds up to the branch's contribution "
        "behind a mean pooling.", "any",
    ),
    Method(
        "grad-cam++", "Grad-CAM++", "stored", "Chattopadhay et al., WACV 2018", ARBITRARY,
        "Grad-CAM with positive gradients alone, weighted so that several small places count as much as one "
        "large one.", "any",
    ),
    Method(
        "hirescam", "HiResCAM", "stored", "Draelos and Carin, arXiv:2011.08891, 2020", LOGIT_PER_CELL,
        "Gradient times activation, cell by cell; adds up to the branch's contribution.", "any",
    ),
    Method(
        "layercam", "LayerCAM", "stored", "Jiang et al., IEEE TIP 2021",
        "logit per cell, positive parts alone",
        "Activations weighted by the positive gradient of their own cell; made for early layers.", "any",
    ),
    Method(
        "xgrad-cam", "XGrad-CAM", "stored", "Fu et al., BMVC 2020", LOGIT_PER_CELL,
        "Feature maps weighted by their gradient averaged where they are active.", "any",
    ),
    Method(
        "eigen-cam", "Eigen-CAM", "stored", "Muhammad and Yeasin, IJCNN 2020", "activation",
        "The direction in which the features vary most. It knows nothing of classes: each has the same map.",
        "any",
    ),
    Method(
        "ablation-cam", "Ablation-CAM", "stored", "Ramaswamy and Desai, WACV 2020", "logit x activation",
        "Feature maps weighted by what the class loses when one of them is set to zero, in logits.", "last",
    ),
    Method(
        "score-cam", "Score-CAM", "perturbation", "Wang et al., CVPR Workshops 2020", ARBITRARY,
        "Feature maps weighted by the class's score of the image seen through each of them.", "last",
    ),
    Method(
        "rise", "RISE", "perturbation", "Petsiuk et al., BMVC 2018", "logit",
        "The mean score of the class over random masks that leave a place visible.",
    ),
    Method(
        "occlusion", "Occlusion", "perturbation", "Zeiler and Fergus, ECCV 2014", "logit",
        "What the class loses when a window over that place is covered.",
    ),
    Method(
        "saliency", "Saliency", "gradient", "Simonyan et al., ICLR Workshop 2014", "logit per unit of shade",
        "How strongly the class depends on each pixel, up or down.",
    ),
    Method(
        "smoothgrad", "SmoothGrad", "gradient", "Smilkov et al., arXiv:1706.03825, 2017",
        "logit per unit of shade", "Saliency averaged over noisy copies of the image.",
    ),
    Method(
        "integrated-gradients", "Integrated Gradients", "gradient", "Sundararajan et al., ICML 2017",
        "logit per pixel",
        "Gradients along the way from an empty image; adds up to the difference to that image.",
    ),
    Method(
        "guided-backprop", "Guided backpropagation", "gradient", "Springenberg et al., ICLR Workshop 2015",
        ARBITRARY,
        "Gradients with what is negative held back at every ReLU. Sharp, but it hardly depends on the class "
        "(Adebayo et al., NeurIPS 2018).",
    ),
    Method(
        "guided-grad-cam", "Guided Grad-CAM", "gradient", "Selvaraju et al., ICCV 2017", ARBITRARY,
        "Guided backpropagation where Grad-CAM is positive.",
    ),
    Method(
        f"{LIBRARY}grad-cam", "Grad-CAM by tf-keras-vis", "library", "Selvaraju et al., ICCV 2017",
        "logit per cell, rectified", "A second opinion by another program.", "any",
    ),
    Method(
        f"{LIBRARY}grad-cam++", "Grad-CAM++ by tf-keras-vis", "library", "Chattopadhay et al., WACV 2018",
        ARBITRARY, "A second opinion by another program, with a form of its own.", "any",
    ),
    Method(
        f"{LIBRARY}layercam", "LayerCAM by tf-keras-vis", "library", "Jiang et al., IEEE TIP 2021",
        "logit per cell, positive parts alone", "A second opinion by another program.", "any",
    ),
    Method(
        f"{LIBRARY}score-cam", "Score-CAM by tf-keras-vis", "library", "Wang et al., CVPR Workshops 2020",
        ARBITRARY, "A second opinion by another program; its softmax runs over the network's outputs.", "any",
    ),
    Method(
        f"{LIBRARY}saliency", "Saliency by tf-keras-vis", "library", "Simonyan et al., ICLR Workshop 2014",
        "logit per unit of shade", "A second opinion by another program.",
    ),
)  # fmt: skip
METHODS: dict[str, Method] = {method.key: method for method in _LISTED}
"""Key -> method, in the order of pickers."""


def check_method(method: str) -> str:
    """The method's key, or BadInput that lists what there is."""
    key = method.strip().lower()
    if key not in METHODS:
        raise BadInput(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    return key


def why_not(method: str, run: Run) -> str | None:
    """A sentence where this run cannot give that method's maps; None where it can."""
    found = METHODS[check_method(method)]
    if not run.has_weights:
        return f"The run {run.id} came without weights, so no map can be made: choose a run that has them."
    if found.key == f"{LIBRARY}score-cam" and run.card.logits == 1:
        return (
            "tf-keras-vis takes a softmax over the network's outputs, and this run has one alone: every "
            "weight would be 1, so choose score-cam."
        )
    without = [branch.name for branch in run.branches if branch.backbone in WITHOUT_RELU]
    if found.key in GUIDED and without:
        return (
            f"{found.title} is defined for ReLU, which {' and '.join(without)} does without: choose another "
            "method."
        )
    return None


def passes(method: str, run: Run, masks: int | None = None) -> int:
    """How many passes of the network one map costs beyond the reading's own; 0 for the stored family.

    masks: as in `Request`. Backpropagation counts as one pass. Score-CAM leaves out channels that are the
    same everywhere, so of a case it may take fewer.
    """
    key = check_method(method)
    if METHODS[key].family == "stored":
        return 0
    if key.endswith("score-cam"):
        channels = sum(branch.channels for branch in run.branches)
        return min(channels, masks or channels)
    if key == "occlusion":
        from xai.methods.occlusion import place_windows

        rows, columns = place_windows((run.card.input.height, run.card.input.width))
        return len(rows) * len(columns) + 1
    if key == "rise":
        return masks or RISE_MASKS
    if key in ("smoothgrad", "integrated-gradients"):
        from xai.methods.gradient import IG_STEPS, SMOOTH_SAMPLES

        # Most images are complete after the second of the numbers of steps.
        return SMOOTH_SAMPLES if key == "smoothgrad" else IG_STEPS[1]
    return 1


def same_as(method: str, run: Run, layer: str | None = None) -> str | None:
    """A sentence where this run's map by that method is another method's map; None where it is its own.

    layer: None for the last one, where the gradient behind a mean pooling is the same in every cell.
    """
    key, kind = check_method(method), run.card.head.kind if run.card.head else "pooled"
    if key in EVEN_GRADIENT and layer is None:
        return same_on(key, kind)
    return _SECOND.get(key)


def same_on(method: str, head: str) -> str | None:
    """As `same_as`, from the kind of the head alone ("pooled", "flatten", "logistic", "svm", "bayes")."""
    if method in EVEN_GRADIENT and head != "flatten":
        return "on pooled features the same map as Grad-CAM"
    return None


def method_title(method: str, head: str) -> str:
    """A method's name for people, with a word where on this kind of head it is Grad-CAM's map."""
    key = check_method(method)
    same = same_on(key, head)
    return f"{METHODS[key].title} ({same})" if same else METHODS[key].title
