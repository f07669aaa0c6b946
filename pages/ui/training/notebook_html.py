"""A Jupyter notebook as HTML that can do nothing: no script, no form, no address that is fetched by itself.

A notebook of a stranger is a program. Three walls stand before it, each enough by itself:

1. nbconvert renders it without any of its scripts, and the whole result passes nbconvert's sanitiser
   (`SanitizeHTML`, which is bleach with an allow-list): after Markdown made HTML of the cells, not before.
2. The document forbids everything but its own style and embedded pictures (Content-Security-Policy).
3. The page shows it in a frame without any right (`sandbox=""`): scripts, forms, pop-ups, the page around it.

Pictures are put aside before the sanitiser and put back after it, as embedded bytes of the few types in which
browsers run no script. https://nbconvert.readthedocs.io/en/latest/api/preprocessors.html#sanitizehtml
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import BadInput

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOK_FILE = "notebook.ipynb"
ROOT = Path(__file__).resolve().parents[3]
SECONDS = 30.0
REFUSED = 2
MOST_BYTES = 8 << 20
MOST_CELLS = 2000
MOST_CHARACTERS = 2_000_000
_LONGEST_OUTPUT = 20_000
#: An <img> runs no script of an SVG and lets it fetch nothing ("secure static mode" of the SVG standard).
PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"}

_TAGS = (
    "a", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "details", "div", "dl",
    "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd", "li", "ol", "p", "pre", "s",
    "samp", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "u", "ul", "var",
)  # fmt: skip
_CELL_SPANS = {"td", "th"}
_MARK = "https://figure.invalid/{}"
_MARKED = re.compile(r'src="https://figure\.invalid/([0-9]{1,6})"')
# Their words would stay as text when the sanitiser strips the tags.
_SILENT = ("script", "style", "template", "noscript", "iframe", "object", "title")
_TOO_MUCH = "The notebook of this run is {} to be shown here: download it instead."
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def notebook_page(content: bytes, dark: bool = False, seconds: float = SECONDS) -> str:
    """The bytes of an .ipynb -> one HTML document as above. dark: colours for a dark page.

    Made in a process of its own, which is ended after `seconds`: a page of hostile Markdown can take the
    parser hours. BadInput for what is no notebook, too large or too slow.
    """
    if len(content) > MOST_BYTES:
        raise BadInput(_TOO_MUCH.format(f"larger than {MOST_BYTES >> 20} MiB and too large"))
    command = [sys.executable, "-m", "pages.ui.training.notebook_html", "dark" if dark else "light"]
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, cwd=ROOT, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise BadInput(_TOO_MUCH.format("too intricate")) from None
    if done.returncode == REFUSED:
        raise BadInput(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    if done.returncode:
        raise BadInput(_TOO_MUCH.format("not of a kind"))
    return done.stdout.decode()


def render(content: bytes, dark: bool = False) -> str:
    """`notebook_page` in this process, however long it takes."""
    notebook = _read(content)
    pictures = _Pictures()
    _prepare(notebook, pictures)
    rendered = _without_silent(_rendered(notebook))
    if len(rendered) > MOST_CHARACTERS:
        raise BadInput(_TOO_MUCH.format("too long"))
    body = pictures.back(_sanitised(rendered, pictures))
    return _DOCUMENT.format(policy=_POLICY, style=_style(dark), body=body)


def main(shade: str) -> int:
    """Notebook on stdin, page on stdout; status 2 and a sentence on stderr for a refusal."""
    try:
        page = render(sys.stdin.buffer.read(), shade == "dark")
    except BadInput as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    sys.stdout.buffer.write(page.encode())
    return 0


def framed(page: str, height: int) -> str:
    """HTML that shows the document in a frame without rights, `height` CSS pixels high.

    Streamlit's own frame lets scripts run and reach the page around it; the inner one does not.
    """
    return (
        "<style>html,body{margin:0;background:transparent}</style>"
        f'<iframe sandbox="" referrerpolicy="no-referrer" title="Notebook" srcdoc="{html.escape(page)}" '
        f'style="border:0;width:100%;height:{height}px;display:block"></iframe>'
    )


def _read(content: bytes) -> NotebookNode:
    import nbformat

    refusal = "The notebook of this run is not a Jupyter notebook that can be read: import the run again."
    try:
        notebook = nbformat.reads(content.decode("utf-8"), as_version=4)
        nbformat.validate(notebook)
    except (UnicodeDecodeError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise BadInput(refusal) from None
    except nbformat.ValidationError:
        raise BadInput(refusal) from None
    if len(notebook.cells) > MOST_CELLS:
        raise BadInput(_TOO_MUCH.format("too long"))
    return notebook


class _Pictures:
    """Embedded pictures under marks that pass the sanitiser; only these marks may be an image's address."""

    def __init__(self) -> None:
        self._uris: list[str] = []

    def put_aside(self, kind: str, data: object) -> str | None:
        """The mark of a picture's data, base64 (or plain for SVG); None where it is no such picture."""
        text = "".join(map(str, data)) if isinstance(data, list) else str(data)
        if kind not in PICTURES:
            return None
        if kind == "image/svg+xml" and text.lstrip().startswith("<"):
            text = base64.b64encode(text.encode()).decode()
        try:
            clean = base64.b64encode(base64.b64decode("".join(text.split()), validate=True)).decode()
        except (binascii.Error, ValueError):
            return None
        self._uris.append(f"data:{kind};base64,{clean}")
        return _MARK.format(len(self._uris) - 1)

    def known(self, address: str) -> bool:
        """Whether the address is the mark of a picture that was put aside."""
        found = _MARKED.fullmatch(f'src="{address}"')
        return bool(found) and int(found[1]) < len(self._uris)

    def back(self, page: str) -> str:
        """The sanitised page with the pictures in place of their marks."""
        return _MARKED.sub(lambda found: f'src="{self._uris[int(found[1])]}"', page)


def _prepare(notebook: NotebookNode, pictures: _Pictures) -> None:
    """In place: pictures of outputs and attachments put aside, everything active or unknown left out."""
    for cell in notebook.cells:
        cell.metadata = {}
        for name, kinds in dict(cell.pop("attachments", {})).items():
            mark = _first_mark(dict(kinds), pictures)
            cell.source = cell.source.replace(f"attachment:{name}", mark or "")
        if cell.cell_type == "raw":
            cell.cell_type = "markdown"
            cell.source = f"<pre>{html.escape(cell.source)}</pre>"
        for output in cell.get("outputs", ()):
            if "data" in output:
                output["metadata"] = {}
                output["data"] = _plain_data(dict(output["data"]), pictures)
            if "text" in output:
                output["text"] = _cut("".join(output["text"]))
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]


def _cut(text: str) -> str:
    over = len(text) - _LONGEST_OUTPUT
    return text if over <= 0 else f"{text[:_LONGEST_OUTPUT]}\n... {over:,} more characters in the file"


def _plain_data(data: dict[str, Any], pictures: _Pictures) -> dict[str, Any]:
    """A picture as <img>; else HTML, Markdown or text, of which nbconvert shows the richest."""
    mark = _first_mark(data, pictures)
    if mark:
        return {"text/html": f'<img src="{mark}" alt="Figure">'}
    texts = {kind: str(data[kind]) for kind in ("text/html", "text/markdown", "text/plain") if kind in data}
    if "text/plain" in texts:
        texts["text/plain"] = _cut(texts["text/plain"])
    return texts


def _first_mark(data: dict[str, Any], pictures: _Pictures) -> str | None:
    marks = (pictures.put_aside(kind, data[kind]) for kind in sorted(PICTURES) if kind in data)
    return next((mark for mark in marks if mark), None)


def _rendered(notebook: NotebookNode) -> str:
    """The cells as HTML without head and scripts (nbconvert's template "basic")."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.exclude_anchor_links = True
    body, _ = exporter.from_notebook_node(notebook)
    return body


def _without_silent(body: str) -> str:
    """Without the elements whose content is no text to read. One pass a tag, whatever is left open."""
    for tag in _SILENT:
        first, *parts = re.split(rf"<{tag}\b", body, flags=re.IGNORECASE)
        ends = (re.split(rf"</{tag}\s*>", part, maxsplit=1, flags=re.IGNORECASE) for part in parts)
        body = "".join([first, *(rest[0] for _, *rest in ends if rest)])
    return body


def _sanitised(body: str, pictures: _Pictures) -> str:
    from nbconvert.preprocessors.sanitize import SanitizeHTML

    def allowed(tag: str, name: str, value: str) -> bool:
        if tag == "img":
            return (name == "src" and pictures.known(value)) or name == "alt"
        if tag == "a":
            return name == "href" and value.startswith(("http://", "https://", "#"))
        if name in ("colspan", "rowspan"):
            return tag in _CELL_SPANS and value.isdecimal()
        return name == "class"

    cleaner = SanitizeHTML(tags=list(_TAGS), attributes=allowed, strip=True, strip_comments=True)
    return cleaner.sanitize_html_tags(body)


def _style(dark: bool) -> str:
    colours = _DARK if dark else _LIGHT
    return f":root{{{';'.join(f'--{name}:{value}' for name, value in colours.items())}}}\n{_LOOK}"


_LIGHT = {
    "text": "#1D2730", "muted": "#5B6770", "line": "#D5DADD", "page": "#FBFBF9", "code": "#EFF1F1",
    "link": "#1F6F8B", "keyword": "#8A4E9E", "string": "#2C7A57", "number": "#B4531F",
}  # fmt: skip
_DARK = {
    "text": "#D6DDE3", "muted": "#93A0AA", "line": "#2E3740", "page": "#101418", "code": "#1A2026",
    "link": "#7CC0D8", "keyword": "#BF8FD6", "string": "#62B98F", "number": "#E08A4F",
}  # fmt: skip
_LOOK = Path(__file__).with_name("notebook.css").read_text(encoding="utf-8")
_DOCUMENT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer"><style>{style}</style></head>
<body>{body}</body></html>
"""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
