"""What holds for the repository itself: sizes, pins, private data left out, and a README that is true."""

import csv
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRIVATE_DATA = ROOT.parent / "shared" / "data"
MIB = 2**20
FILE_LIMIT = 95 * MIB
WEIGHTS_LIMIT = 250 * MIB
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.!+]*")


@cache
def _tracked() -> tuple[Path, ...]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def _mib(paths) -> dict[str, float]:
    return {path.relative_to(ROOT).as_posix(): round(path.stat().st_size / MIB, 1) for path in paths}


def test_no_file_is_too_large_to_host():
    assert not {name: size for name, size in _mib(_tracked()).items() if size > FILE_LIMIT / MIB}


def test_the_shipped_weights_stay_small():
    weights = [
        path for path in _tracked() if path.suffix in {".onnx", ".keras", ".h5", ".safetensors", ".npz"}
    ]
    assert sum(path.stat().st_size for path in weights) <= WEIGHTS_LIMIT, _mib(weights)


@pytest.mark.skipif(not PRIVATE_DATA.is_dir(), reason="the private data packs are not beside this checkout")
def test_no_private_image_is_committed():
    # A copy has the original's size: comparing sizes first spares reading every private file.
    sizes = {path.stat().st_size for path in _tracked()} - {0}
    originals = (path for path in PRIVATE_DATA.rglob("*") if path.is_file() and path.stat().st_size in sizes)
    private = {_sha256(path) for path in originals}
    for manifest in PRIVATE_DATA.glob("*/manifest.csv"):
        with manifest.open(newline="", encoding="utf-8") as rows:
            private |= {row["sha256"] for row in csv.DictReader(rows) if row.get("sha256")}
    assert not [path.relative_to(ROOT).as_posix() for path in _tracked() if _sha256(path) in private]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _requirements(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-ray.txt", "requirements-dev.txt"])
def test_every_requirement_is_an_exact_pin(name):
    lines = _requirements(name)
    if name == "requirements-dev.txt":
        assert lines[:2] == ["-r requirements.txt", "-r requirements-ray.txt"]
        del lines[:2]
    assert not [line for line in lines if not PIN.fullmatch(line)]


def test_no_package_is_pinned_twice():
    names = [
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
        for file in ("requirements.txt", "requirements-ray.txt", "requirements-dev.txt")
        for line in _requirements(file)
        if "==" in line
    ]
    assert sorted(names) == sorted(set(names))


@cache
def _shell_lines() -> tuple[tuple[str, ...], ...]:
    """Every command of the documents' ```sh blocks, as words; comments and continuations resolved."""
    commands = []
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if words := shlex.split(line, comments=True):
                    commands.append(tuple(words))
    return tuple(commands)


def test_the_readme_shows_the_two_commands_first():
    first_screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:40])
    assert "make run" in first_screen
    assert "make test" in first_screen
    assert "research use" in first_screen.lower()


def test_make_targets_in_the_documents_exist():
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    named = {
        word
        for words in _shell_lines()
        if "make" in words
        for word in words[words.index("make") + 1 :]
        if "=" not in word
    }
    assert named
    assert named <= targets


def _help(module: str, subcommand: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What `python -m module subcommand --help` prints."""
    try:
        status = import_module(f"{module}.__main__").main([subcommand, "--help"])
    except SystemExit as done:
        status = done.code
    printed = capsys.readouterr()
    assert status == 0, f"python -m {module} {subcommand}: {printed.err}"
    return printed.out


def test_program_commands_in_the_documents_exist(capsys):
    """The subcommand is there and knows every option the document gives it."""
    programs = [words[words.index("-m") + 1 :] for words in _shell_lines() if "-m" in words]
    programs = [words for words in programs if words[0] in {"models", "xai"}]
    assert programs
    for module, subcommand, *rest in programs:
        known = _help(module, subcommand, capsys)
        unknown = [word for word in rest if word.startswith("--") and word not in known]
        assert not unknown, f"python -m {module} {subcommand}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_local_links_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    assert not [target for target in local if not (ROOT / target).exists()]


SKIPPED_TEST = "import pytest\n\n\n@pytest.mark.skip(reason='no browser')\ndef test_page(): ...\n"
SKIPPED_MODULE = "import pytest\n\npytest.skip('no browser', allow_module_level=True)\n"


@pytest.mark.parametrize(("ci", "failed"), [("true", True), ("", False)], ids=["CI", "elsewhere"])
def test_a_skipped_browser_test_fails_in_ci_alone(tmp_path, ci, failed):
    browser_tests = tmp_path / "tests" / "e2e"
    browser_tests.mkdir(parents=True)
    (tmp_path / "tests" / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "tests" / "test_elsewhere.py").write_text(SKIPPED_TEST + "\n\ndef test_passes(): ...\n")
    (browser_tests / "test_one.py").write_text(SKIPPED_TEST)
    (browser_tests / "test_all.py").write_text(SKIPPED_MODULE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    done = subprocess.run(
        [*command, f"--rootdir={tmp_path}", "tests"],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert (done.returncode != 0) == failed, done.stdout
    assert ("1 passed, 1 skipped, 2 errors" if failed else "1 passed, 3 skipped") in done.stdout
    assert ("every one of them has to run" in done.stdout) == failed


def test_the_readmes_audits_are_those_of_the_shipped_runs():
    from models.runs import load_run
    from xai.audit.overview import markdown_table

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- audits:begin -->\n")[2].partition("<!-- audits:end -->")[0]
    runs = [load_run(path.parent) for path in sorted((ROOT / "assets" / "runs").glob("*/run.json"))]
    assert shown == markdown_table(runs), "python -m xai audits prints what belongs there"


def test_the_readmes_figures_are_those_of_the_shipped_runs():
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    table = table.partition("<!-- figures:begin -->")[2].partition("<!-- figures:end -->")[0]
    shown = {line.split("|")[1].strip(" `"): line for line in table.splitlines() if line.startswith("| `")}
    cards = [json.loads(path.read_text()) for path in (ROOT / "assets" / "runs").glob("*/run.json")]
    assert set(shown) == {card["id"] for card in cards}
    for card in cards:
        test = card["metrics"]["test"]
        for name in {"auc", "sensitivity", "specificity", "pointing", "iou"} & set(test):
            value, low, high = (test[name][end] for end in ("value", "low", "high"))
            assert f" {value:.2f} ({low:.2f}\u2013{high:.2f})" in shown[card["id"]], (card["id"], name)
