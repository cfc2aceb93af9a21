import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pacdream.report import page as html

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


@pytest.mark.parametrize(
    "part",
    [
        html.section(NASTY),
        html.paragraph(NASTY),
        html.paragraph(NASTY, lead=True),
        html.table([NASTY], [["value"]]),
        html.table(["a"], [[NASTY]]),
        html.table(["a"], [[f"{NASTY} [{NASTY}]"]]),
    ],
)
def test_text_stays_text(part: str) -> None:
    read = Reader(part)
    assert "script" not in {tag for tag, _ in read.tags}
    assert NASTY in read.text


def test_the_title_stays_text(tmp_path: Path) -> None:
    html.write_page(tmp_path / "page.html", NASTY, [])
    read = Reader((tmp_path / "page.html").read_text())
    assert [tag for tag, _ in read.tags] == ["html", "meta", "title", "style", "h1"]
    assert NASTY in read.text


def test_a_name_cannot_leave_its_attribute(tmp_path: Path) -> None:
    path = tmp_path / '"onload=x.png'
    path.write_bytes(b"png")
    ((_, _), (_, attributes)) = Reader(html.picture(path)).tags
    assert attributes.keys() == {"alt", "src"}
    assert attributes["alt"] == '"onload=x'


EMBEDDED = [(html.picture, "img", "image/png"), (html.video, "video", "video/mp4")]


@pytest.mark.parametrize(("embed", "tag", "mime"), EMBEDDED)
def test_files_are_embedded(embed: object, tag: str, mime: str, png: Path) -> None:
    ((_, _), (found, attributes)) = Reader(embed(png)).tags  # type: ignore[operator]
    kind, _, content = attributes["src"].partition(",")
    assert (found, kind) == (tag, f"data:{mime};base64")
    assert base64.b64decode(content) == png.read_bytes()


def test_a_table_has_its_rows_and_small_intervals() -> None:
    read = Reader(html.table(["", "1", "2"], [["a", "0.5 [0.1, 0.9]", "–"], ["b", "x", "y"]]))
    tags = [tag for tag, _ in read.tags]
    assert (tags.count("tr"), tags.count("th"), tags.count("td"), tags.count("small")) == (3, 3, 6, 1)
    assert "0.5 [0.1, 0.9]" in read.text


def test_the_page_refers_to_nothing_outside(tmp_path: Path, png: Path) -> None:
    html.write_page(tmp_path / "page.html", "title", [html.picture(png), html.video(png), html.section("a", "b")])
    page = (tmp_path / "page.html").read_text()
    assert not re.findall(r"https?://|file:|@import|url\(|<link|<script", page)
    assert all(source.startswith('"data:') for source in re.findall(r"(?:src|href)=(\S+)", page))


def test_the_page_says_how_it_is_encoded(tmp_path: Path) -> None:
    html.write_page(tmp_path / "page.html", "–", ["ä", "日本"])
    page = (tmp_path / "page.html").read_bytes().decode("utf-8")
    assert "日本" in page
    assert "charset=utf-8" in page


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(ValueError, match=f"cannot write {tmp_path}/page.html"):
        html.write_page(tmp_path / "page.html", "title", [])
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
