"""Pages of one file each, from the templates beside this module: tables, pictures and videos inside."""

import base64
import mimetypes
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pacdream.core.files import atomic_path


def write_page(path: Path, template: str, **context: Any) -> None:
    """Fill ``templates/<template>.html.jinja`` with the context and write the page, atomically."""
    page = TEMPLATES.get_template(f"{template}.html.jinja").render(context)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def data_uri(path: Path) -> str:
    """A file as an address that holds its content."""
    kind, _ = mimetypes.guess_type(path.name)
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters["data_uri"] = data_uri
