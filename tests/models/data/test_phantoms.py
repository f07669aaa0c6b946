"""Phantoms: the same bytes again, the label in the lesion alone, masks that obey the stated rules."""

import subprocess
import sys
from collections import Counter
from functools import cache

import cv2
import numpy as np
import pytest

from models.data.phantoms import LABELS, MODALITIES, Phantom, phantom
from models.errors import BadInput

SEED = 4
POSITIVES = [(modality, label) for modality in MODALITIES for label in LABELS[modality][1:]]


@cache
def drawn(modality: str, index: int, label: str) -> Phantom:
    return phantom(modality, SEED, index, label=label)


def box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def solidity(mask: np.ndarray) -> float:
    """Area of the mask as a share of its convex hull's: 1 for an ellipse, less the more it is notched."""
    curves, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    curve = max(curves, key=cv2.contourArea)
    return cv2.contourArea(curve) / cv2.contourArea(cv2.convexHull(curve))


@pytest.mark.parametrize("modality", MODALITIES)
def test_same_seed_and_index_same_bytes(modality):
    first, again = phantom(modality, SEED, 2), phantom(modality, SEED, 2)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.label == again.label and first.attributes == again.attributes
    assert phantom(modality, SEED, 3).image.tobytes() != first.image.tobytes()
    assert phantom(modality, SEED + 1, 2).image.tobytes() != first.image.tobytes()


@pytest.mark.parametrize("modality", MODALITIES)
def test_labels_are_balanced_in_every_block_and_shuffled(modality):
    from models.data.phantoms.case import label_of

    kinds = len(LABELS[modality])
    series = [label_of(modality, SEED, index) for index in range(30 * kinds)]
    assert set(Counter(series).values()) == {30}
    assert len({series[kinds * block] for block in range(30)}) == kinds


@pytest.mark.parametrize("modality", MODALITIES)
def test_image_and_mask_have_the_modality_s_form(modality):
    none, *positive = LABELS[modality]
    empty = drawn(modality, 0, none)
    assert empty.mask is None and "box_x0" not in empty.attributes
    for label in positive:
        case = drawn(modality, 0, label)
        assert case.image.dtype == np.uint8 and case.mask.dtype == bool
        assert case.image.shape[:2] == case.mask.shape and case.image.flags["C_CONTIGUOUS"]
        assert case.image.ndim == (3 if modality == "histopathology" else 2)
        assert case.attributes["area_fraction"] == pytest.approx(case.mask.mean(), abs=1e-5)
        x0, y0, x1, y1 = box(case.mask)
        named = [case.attributes[f"box_{side}"] for side in ("x0", "y0", "x1", "y1")]
        assert named == [x0, y0, x1, y1]


def test_native_sizes_vary_so_that_padding_is_exercised():
    shapes = {drawn("ultrasound", index, "normal").image.shape for index in range(4)}
    assert len(shapes) == 4
    assert all(380 <= h <= 480 and 420 <= w <= 560 for h, w in shapes)
    h, w = drawn("mammography", 0, "normal").image.shape
    assert h > 1.2 * w


@pytest.mark.parametrize(("modality", "label"), POSITIVES)
def test_lesions_are_at_least_32_pixels_at_224(modality, label):
    for index in range(4):
        mask = drawn(modality, index, label).mask
        x0, y0, x1, y1 = box(mask)
        assert min(x1 - x0, y1 - y0) * 224.0 / max(mask.shape) >= 32.0


def reach_of(modality: str, mask: np.ndarray) -> np.ndarray:
    """Where a lesion may show: itself, its halo, and what it casts (ultrasound) or sends out (spicules)."""
    x0, y0, x1, y1 = box(mask)
    reach = np.zeros(mask.shape, bool)
    if modality == "ultrasound":  # down to the bottom along the beams, which a sector spreads
        spread = 45
        reach[max(0, y0 - 45) :, max(0, x0 - spread) : x1 + spread] = True
    elif modality == "mammography":
        more = max(x1 - x0, y1 - y0)
        reach[max(0, y0 - more) : y1 + more, max(0, x0 - more) : x1 + more] = True
    else:
        reach[max(0, y0 - 9) : y1 + 9, max(0, x0 - 9) : x1 + 9] = True
    return reach


@pytest.mark.parametrize(("modality", "label"), POSITIVES)
def test_nothing_but_the_lesion_tells_the_label(modality, label):
    """The twin without a lesion is the same image, byte for byte, wherever the lesion does not reach."""
    for index in range(4):
        case, twin = drawn(modality, index, label), drawn(modality, index, LABELS[modality][0])
        differs = case.image != twin.image
        differs = differs.any(axis=-1) if differs.ndim == 3 else differs
        assert differs[case.mask].mean() > 0.4
        assert not (differs & ~reach_of(modality, case.mask)).any()


@pytest.mark.parametrize("modality", ["ultrasound", "mammography"])
def test_the_place_does_not_tell_benign_from_malignant(modality):
    """Drawn from the same numbers, both lie at the same place: no distribution of places can differ."""
    for index in range(4):
        centres = []
        for label in ("benign", "malignant"):
            x0, y0, x1, y1 = box(drawn(modality, index, label).mask)
            centres.append(((x0 + x1) / 2, (y0 + y1) / 2))
        size = drawn(modality, index, "benign").image.shape[0]
        assert np.abs(np.subtract(*centres)).max() < 0.04 * size


def test_ultrasound_places_are_spread_over_the_image():
    from models.data.phantoms.ultrasound_mass import mass_mask

    rng = np.random.default_rng(0)
    shape = (440, 500)
    centres = []
    for _ in range(150):
        x0, _, x1, _ = box(mass_mask(rng, shape, 1.0, False))
        centres.append((x0 + x1) / 2)
    share = np.histogram(centres, bins=3, range=(75, 425))[0] / len(centres)
    assert share.min() > 0.2


def test_ultrasound_rule_shape_and_what_lies_behind():
    behind = {"benign": [], "malignant": []}
    for index in range(4):
        for label, darker in behind.items():
            case, twin = drawn("ultrasound", index, label), drawn("ultrasound", index, "normal")
            x0, y0, x1, y1 = box(case.mask)
            taller = (y1 - y0) > (x1 - x0)
            assert taller == (label == "malignant")
            assert (solidity(case.mask) > 0.96) == (label == "benign")
            below = np.s_[y1 + 8 : y1 + 50, x0 + 20 : x1 - 20]
            darker.append(float(case.image[below].mean()) - float(twin.image[below].mean()))
    assert min(behind["benign"]) > 0 > max(behind["malignant"])


def test_mammography_rule_smooth_or_spiculated():
    for index in range(4):
        assert solidity(drawn("mammography", index, "benign").mask) > 0.95
        assert solidity(drawn("mammography", index, "malignant").mask) < 0.9
        case, twin = drawn("mammography", index, "malignant"), drawn("mammography", index, "normal")
        assert case.image[case.mask].mean() > twin.image[case.mask].mean() + 10


def test_histopathology_rule_crowded_nuclei_in_the_region():
    for index in range(4):
        case, twin = drawn("histopathology", index, "idc"), drawn("histopathology", index, "non_idc")
        red = case.image[..., 0].astype(float)  # haematoxylin takes the red light
        assert red[case.mask].mean() < twin.image[..., 0][case.mask].mean() - 20
        assert 40 < case.mask.sum() / case.attributes["nuclei"] < 160  # pixels a nucleus: crowded


def test_annotations_are_off_by_default_and_do_not_depend_on_the_label():
    plain, marked = (phantom("mammography", SEED, 0, label="normal", annotations=a) for a in (False, True))
    assert plain.image.tobytes() == drawn("mammography", 0, "normal").image.tobytes()
    assert (plain.image != marked.image).sum() > 50


@pytest.mark.parametrize(
    ("arguments", "label", "says"),
    [
        (("x-ray", 0, 0), None, "ultrasound, mammography, histopathology"),
        (("ultrasound", -1, 0), None, "from 0 up"),
        (("histopathology", 0, 0), "benign", "non_idc, idc"),
    ],
)
def test_refusals_name_the_choices(arguments, label, says):
    with pytest.raises(BadInput, match=says):
        phantom(*arguments, label=label)


def test_importing_loads_no_heavy_library():
    code = (
        "import sys, models.data.phantoms, models.commands.phantoms; "
        "print({'cv2', 'scipy', 'pandas', 'PIL', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
