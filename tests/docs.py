"""What the pages of the documentation say that can be checked: links, commands, blocks of code."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.conftest import ROOT

README = ROOT / "README.md"
CARD = ROOT / "src" / "pacdream" / "assets" / "MODEL_CARD.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), CARD]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_COMMENT = re.compile(r"<!--.*?-->", re.S)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [code for name, code in _FENCE.findall(page.read_text()) if name == language]


def prose(page: Path) -> str:
    """The text without fenced blocks and comments."""
    return _COMMENT.sub("", _FENCE.sub("", page.read_text()))


def inline(page: Path) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def links(page: Path) -> list[str]:
    """Targets of links and pictures that are not on the web."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(page)))
    return [target for target in found if not target.startswith(("http://", "https://"))]


def anchors(page: Path) -> set[str]:
    """Names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> Iterator[list[str]]:
    """Commands of shell blocks and of inline code, as words; what stands in ``<>`` becomes one word."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()] + inline(page)
    for line in lines:
        for command in re.sub(r"<[^<>]*>", "placeholder", line).split("&&"):
            if re.match(r"\s*(python|make|pip) ", command):
                yield shlex.split(command, comments=True)


def hydra_commands(page: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Root configuration and overrides of every ``python <script>.py``, also of those behind ``make``."""
    for words in commands(page):
        for python in made_by(words[1:]) if words[0] == "make" else [words]:
            if python[0] == "python" and (ROOT / "conf" / Path(python[1]).with_suffix(".yaml")).is_file():
                yield Path(python[1]).stem, single(Path(python[1]).stem, python[2:])


def made_by(arguments: list[str]) -> list[list[str]]:
    """The Python commands behind a target, without running them; an error if there is no such target."""
    shown = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [shlex.split(line) for line in shown.replace("\\\n", " ").splitlines()]
    return [["python", *words[1:]] for words in lines if words and words[0].endswith("bin/python")]


def single(script: str, arguments: list[str]) -> tuple[str, ...]:
    """The overrides of one job: the first value of each that a sweep runs over."""
    overrides = [word for word in arguments if "=" in word and not word.startswith("-")]
    if script == "train" and not any(word.startswith(("experiment=", "sweep=")) for word in overrides):
        assert any(word.startswith("resume=") for word in overrides), f"{overrides} do not say what to train"
        overrides.append("experiment=gru_baseline")  # those of the run that is gone on with
    return tuple(_first(override) for override in overrides)


def _first(text: str) -> str:
    override = OverridesParser.create().parse_override(text)
    return f"{override.key_or_group}={next(override.sweep_string_iterator())}" if override.is_sweep_override() else text
