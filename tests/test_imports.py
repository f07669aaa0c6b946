"""The import rules that a linter of modules cannot see; the others are contracts in pyproject.toml."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("models", "xai", "pages")
PAGE_LINES = 80
FILE_LINES = 400
PAGE_SCRIPTS = [ROOT / "Home.py", *sorted((ROOT / "pages").glob("*.py"))]
SOURCES = [ROOT / "Home.py", *sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# What turns the bytes of a file into pixels, besides Pillow's Image.open.
DECODERS = {
    "dcmread", "imread", "imreadmulti", "imdecode", "imdecodemulti", "imiter",
    "load_img", "decode_image", "decode_jpeg", "decode_png", "decode_bmp", "image_dataset_from_directory",
}  # fmt: skip
# What every page keeps, what the heatmaps' trust cards and audits do, and what batches and slides do.
CACHES = ("pages/ui/caches.py", "pages/ui/trust_caches.py", "pages/ui/batch_caches.py")
CACHE_DECORATORS = {"cache_data", "cache_resource"}
# Seconds or hundreds of megabytes each; the command line and a page open without them.
HEAVY = ("tensorflow", "keras", "tf_keras_vis", "sklearn", "scipy", "ray")
# The command line must not even have these, which the dashboard loads with Streamlit.
OF_THE_BROWSER = ("streamlit", "plotly", "pandas")
# Imported name -> name of the package that brings it.
PACKAGES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "openslide": "openslide-python",
    "sklearn": "scikit-learn",
    "tf_keras_vis": "tf-keras-vis",
    "tomli_w": "tomli-w",
    "yaml": "PyYAML",
}


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file; walking through them all is what takes time here."""
    return tuple(ast.walk(_tree(path)))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every absolute import of a file, those inside functions too."""
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def _top(name: str) -> str:
    return name.partition(".")[0]


def _where(path: Path, line: int, what: str) -> str:
    return f"{_relative(path)}:{line}: {what}"


def test_models_and_xai_never_import_upwards():
    allowed = {"models": {"models"}, "xai": {"xai", "models"}, "pages": {"pages", "xai", "models"}}
    rooms = {*ROOMS, "Home"}
    found = [
        _where(path, line, name)
        for path in SOURCES
        if path.parent != ROOT
        for line, name in _imports(path)
        if _top(name) in rooms - allowed[path.relative_to(ROOT).parts[0]]
    ]
    assert not found


def test_page_scripts_import_no_deep_learning_library():
    found = [
        _where(path, line, name)
        for path in PAGE_SCRIPTS
        for line, name in _imports(path)
        if _top(name) in {"tensorflow", "keras", "tf_keras_vis"}
    ]
    assert not found


def test_files_are_decoded_in_the_study_room_alone():
    found = [
        _where(path, line, call)
        for path in SOURCES
        if not path.is_relative_to(ROOT / "models" / "study")
        for line, call in _decoding_calls(path)
    ]
    assert not found


def _decoding_calls(path: Path) -> Iterator[tuple[int, str]]:
    pillow = {
        alias.asname or alias.name
        for node in _nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module == "PIL"
        for alias in node.names
    }
    for node in _nodes(path):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        if name != "open" and name not in DECODERS:
            continue
        called = ast.unparse(node.func)
        owner = called.rpartition(".")[0]
        if name in DECODERS or owner in pillow or owner.startswith("PIL."):
            yield node.lineno, called


def test_the_decoding_rule_sees_a_decoder(tmp_path):
    script = tmp_path / "reader.py"
    script.write_text(
        "from PIL import Image as Picture\nimport cv2\nPicture.open('a')\ncv2.imdecode(b, 1)\nopen('a')\n"
    )
    assert [call for _, call in _decoding_calls(script)] == ["Picture.open", "cv2.imdecode"]


def test_streamlit_caches_live_in_two_files():
    found = [
        _where(path, node.lineno, ast.unparse(node))
        for path in SOURCES
        if _relative(path) not in CACHES
        for node in _nodes(path)
        if (isinstance(node, ast.Attribute) and node.attr in CACHE_DECORATORS)
        or (isinstance(node, ast.alias) and node.name in CACHE_DECORATORS)
    ]
    assert not found


@pytest.mark.parametrize("script", PAGE_SCRIPTS, ids=_relative)
def test_a_page_script_is_thin(script):
    lines = len(script.read_text(encoding="utf-8").splitlines())
    assert lines <= PAGE_LINES, f"{_relative(script)} has {lines} lines: compute in xai, draw in pages/ui"


def test_no_file_is_two_rooms():
    lengths = {
        _relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES + TESTS
    }
    assert not {path: lines for path, lines in lengths.items() if lines > FILE_LINES}


def test_no_room_is_called_utils():
    assert not [
        _relative(path) for path in SOURCES if path.stem in {"utils", "util", "helpers", "helper", "misc"}
    ]


def test_every_imported_package_is_pinned_by_name():
    pinned = _pinned_by_name(ROOT / "requirements.txt") | _pinned_by_name(ROOT / "requirements-ray.txt")
    ours = {*ROOMS, "Home", *sys.stdlib_module_names}
    found = [
        _where(path, line, name)
        for path in SOURCES
        for line, name in _imports(path)
        if _top(name) not in ours and PACKAGES.get(_top(name), _top(name)).lower() not in pinned
    ]
    assert not found, "name these in the first part of requirements.txt (of an extra: requirements-ray.txt)"


def _pinned_by_name(path: Path) -> set[str]:
    """The packages of the first part of a requirements file: those the code itself imports."""
    first_part = path.read_text(encoding="utf-8").partition("\n\n")[0]
    return {line.partition("==")[0].lower() for line in first_part.splitlines() if not line.startswith("#")}


@pytest.mark.parametrize(
    ("modules", "never"),
    [
        ("models.__main__, xai.__main__, models.engines, models.runs, models.study", HEAVY + OF_THE_BROWSER),
        ("pages.ui.caches, pages.ui.figures, pages.ui.frame, pages.ui.pickers", HEAVY),
    ],
    ids=["command line", "pages"],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(modules, never):
    script = f"import sys, {modules}; print(*sorted(set({never!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
