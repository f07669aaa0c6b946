"""The environment that make keeps: made once, made again when it is broken or its pins changed.

Python and pip are played by a shell script, since making a real environment takes ten seconds each time;
one slow test has the real ones, and `make test` itself begins with them. No package is installed, so no
network is needed: the requirements are files of comments.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / ".ci" / "environment"
PINS = "requirements.txt"
# What the script asks of Python: its version, an environment, and pip, which a half-made environment lacks.
PLAYED = """\
#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p "$3/bin" "$3/lib" && cp "$0" "$3/bin/python" ;;
"-m pip")
    test -d "$(dirname "$0")/../lib" || exit 1
    for file; do :; done
    test "$file" = --version && exit 0
    if grep -q not_there "$file"; then
        echo "ERROR: Invalid requirement: not_there"
        exit 1
    fi ;;
--version*) echo "Python 3.11.0" ;;
-c*) exit 0 ;;
*) exit 9 ;;
esac
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Path:
    python = tmp_path_factory.mktemp("python") / "python3"
    python.write_text(PLAYED)
    python.chmod(0o755)
    return python


@pytest.fixture
def made(tmp_path, played, monkeypatch) -> Path:
    monkeypatch.setenv("PYTHON", str(played))
    return _made(tmp_path)


def _made(folder: Path) -> Path:
    (folder / PINS).write_text("# nothing yet\n")
    done = _environment(folder)
    assert done.returncode == 0, done.stderr
    assert "Making .venv with Python 3" in done.stderr and f"Installing {PINS}" in done.stderr
    return folder


def _environment(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), ".venv", PINS],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=200,
    )


def _installed_at(folder: Path) -> int:
    return (folder / ".venv" / "install.log").stat().st_mtime_ns


def test_a_second_call_does_nothing(made):
    before = _installed_at(made)
    done = _environment(made)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert _installed_at(made) == before


def test_changed_pins_are_installed(made):
    before = _installed_at(made)
    (made / PINS).write_text("# something else\n")
    assert _environment(made).returncode == 0
    assert _installed_at(made) > before


def test_a_failed_install_is_told_and_tried_again(made):
    (made / PINS).write_text("./not_there-1.0-py3-none-any.whl\n")
    for _ in range(2):
        done = _environment(made)
        assert done.returncode == 1
        assert "not_there" in done.stderr
        assert "call make again" in done.stderr
    (made / PINS).write_text("# mended\n")
    assert _environment(made).returncode == 0


def test_a_half_made_environment_is_made_again(made):
    _is_made_again(made)


@pytest.mark.slow
def test_a_real_python_and_pip_do_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHON", sys.executable)
    made = _made(tmp_path)
    test_a_second_call_does_nothing(made)
    test_changed_pins_are_installed(made)
    test_a_failed_install_is_told_and_tried_again(made)
    _is_made_again(made)


def _is_made_again(made: Path) -> None:
    shutil.rmtree(made / ".venv" / "lib")
    done = _environment(made)
    assert done.returncode == 0, done.stderr
    assert "Making .venv" in done.stderr
    assert (made / ".venv" / f"installed-{PINS}").read_text() == (made / PINS).read_text()
    assert _environment(made).stderr == ""


def test_an_unsuitable_python_is_named_in_a_sentence(tmp_path):
    (tmp_path / PINS).write_text("")
    old = tmp_path / "python2"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 2.7.18" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = _environment(tmp_path, PYTHON=str(old))
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert "Python 2.7.18" in done.stderr
    assert not (tmp_path / ".venv").exists()
