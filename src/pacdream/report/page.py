"""A report in one file: tables, pictures and videos inside."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from pacdream.core.files import atomic_path

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; font-size: .86rem; } td, th { padding: .2rem .55rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr:nth-child(even) { background: #f5f5f5; }
.wide { overflow-x: auto; } small { color: #888; } img, video { max-width: 100%; image-rendering: pixelated; }
p.lead { font-size: 1.1rem; }
"""


def section(title: str, *parts: str) -> str:
    """A heading and what is below it."""
    return f"<h2>{html.escape(title)}</h2>\n" + "\n".join(parts)


def paragraph(text: str, lead: bool = False) -> str:
    """A paragraph of plain text."""
    return f"<p{' class=lead' if lead else ''}>{html.escape(text)}</p>"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain text; an interval ``[…]`` at the end of a cell is small."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "\n".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=wide><table><tr>{head}</tr>\n{body}</table></div>"


def picture(path: Path) -> str:
    """A PNG file, embedded."""
    return f'<p><img alt="{html.escape(path.stem)}" src="{_data(path, "image/png")}"></p>'


def video(path: Path) -> str:
    """An mp4 file, embedded."""
    return f'<p><video controls loop muted src="{_data(path, "video/mp4")}"></video></p>'


def write_page(path: Path, title: str, parts: Sequence[str]) -> None:
    """Write the page, atomically."""
    body = "\n".join(parts)
    page = (
        f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>\n"
        f"<style>{_STYLE}</style>\n<h1>{html.escape(title)}</h1>\n{body}\n</html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _cell(text: str) -> str:
    value, bracket, interval = text.partition(" [")
    return html.escape(value) + (f" <small>[{html.escape(interval)}</small>" if bracket else "")


def _data(path: Path, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(path.read_bytes()).decode()}"
