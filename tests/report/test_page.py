import base64
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from pacdream.report.page import TEMPLATES, write_page
from pacdream.report.tables import Table

NASTY = """<script>alert("a" & 'b')</script>"""


class Reader(HTMLParser):
    """The text of a page, and its tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "dream.png"
    path.write_bytes(bytes(range(256)))
    return path


@dataclass
class Cell:
    """A figure as a table may hold it."""

    text: str
    interval: str


def macro(name: str, *arguments: Any) -> str:
    """What a macro of the templates writes."""
    return str(getattr(TEMPLATES.get_template("macros.html.jinja").module, name)(*arguments))


def write_comparison(path: Path, **changes: Any) -> str:
    """A small page."""
    write_page(path, "comparison", **{"title": "", "notes": [], "comparison": Table("", [], []), **changes})
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("header", "cell"),
    [(NASTY, "value"), ("a", NASTY), ("a", Cell(NASTY, "")), ("a", Cell("1", NASTY))],
)
def test_text_in_a_table_stays_text(header: str, cell: str | Cell) -> None:
    read = Reader(macro("table", [header], [[cell]]))
    assert "script" not in {tag for tag, _ in read.tags}
    assert NASTY in read.text


@pytest.mark.parametrize("where", [{"title": NASTY}, {"notes": [NASTY]}])
def test_text_on_a_page_stays_text(tmp_path: Path, png: Path, where: dict[str, Any]) -> None:
    read = Reader(write_comparison(tmp_path / "page.html", plot=png, **where))
    assert "script" not in {tag for tag, _ in read.tags}
    assert NASTY in read.text


@pytest.mark.parametrize("template", TEMPLATES.list_templates())
def test_no_template_writes_text_unescaped(template: str) -> None:
    source, *_ = TEMPLATES.loader.get_source(TEMPLATES, template)
    assert not re.search(r"\| *safe|autoescape", source)


def test_a_name_cannot_leave_its_attribute(tmp_path: Path) -> None:
    path = tmp_path / '"onload=x.png'
    path.write_bytes(b"png")
    ((_, _), (_, attributes)) = Reader(macro("picture", path)).tags
    assert attributes.keys() == {"alt", "src"}
    assert attributes["alt"] == '"onload=x'


@pytest.mark.parametrize(("tag", "mime"), [("img", "image/png"), ("video", "video/mp4")])
def test_files_are_embedded(tag: str, mime: str, png: Path) -> None:
    path = png.rename(png.with_suffix(f".{mime.partition('/')[2]}"))
    ((_, _), (found, attributes)) = Reader(macro("picture" if tag == "img" else "video", path)).tags
    kind, _, content = attributes["src"].partition(",")
    assert (found, kind) == (tag, f"data:{mime};base64")
    assert base64.b64decode(content) == path.read_bytes()


def test_a_table_has_its_rows_and_small_intervals() -> None:
    rows = [["a", "x", "–"], ["[8, 8]", Cell("0.5", "[0.1, 0.9]"), Cell("y", "")]]
    read = Reader(macro("table", ["", "1", "2"], rows))
    tags = [tag for tag, _ in read.tags]
    assert (tags.count("tr"), tags.count("th"), tags.count("td"), tags.count("small")) == (3, 3, 6, 1)
    assert "0.5 [0.1, 0.9]" in read.text


def test_the_page_refers_to_nothing_outside(tmp_path: Path, png: Path) -> None:
    page = write_comparison(tmp_path / "page.html", plot=png)
    assert not re.findall(r"https?://|file:|@import|url\(|<link|<script", page)
    assert all(source.startswith('"data:') for source in re.findall(r"(?:src|href)=(\S+)", page))


def test_the_page_says_how_it_is_encoded(tmp_path: Path, png: Path) -> None:
    page = write_comparison(tmp_path / "page.html", plot=png, notes=["ä", "日本"])
    assert "日本" in page
    assert "charset=utf-8" in page


def test_what_a_template_wants_must_be_given(tmp_path: Path, png: Path) -> None:
    with pytest.raises(UndefinedError, match="notes"):
        write_page(tmp_path / "page.html", "comparison", title="", plot=png)
    assert [path.name for path in tmp_path.iterdir()] == ["dream.png"]


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path, png: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(ValueError, match=f"cannot write {tmp_path}/page.html"):
        write_comparison(tmp_path / "page.html", plot=png)
    assert {path.name for path in tmp_path.iterdir()} == {"page.html", "dream.png"}
