"""What made a run: code, packages, machine."""

import json
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pacdream.core.files import reading, write_json

_PACKAGES = (
    "pacdream",
    "torch",
    "lightning",
    "torchmetrics",
    "vector-quantize-pytorch",
    "gymnasium",
    "ale-py",
    "numpy",
)


def provenance() -> dict[str, str]:
    """Git revision (with a mark for uncommitted changes), package versions, Python and device."""
    found = {name: version(name) for name in _PACKAGES}
    found |= {"git": git_revision(), "python": platform.python_version(), "machine": platform.platform()}
    found["threads"] = str(torch.get_num_threads())
    found["device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return found


def git_revision() -> str:
    """Revision of the checkout that this package lies in, ``+dirty`` if it was changed, ``unknown`` without git."""
    here = Path(__file__).parent
    revision = _git(here, "rev-parse", "HEAD")
    if revision is None:
        return "unknown"
    return revision + ("+dirty" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def store_provenance(folder: Path, made_from: dict[str, str]) -> None:
    """Write ``provenance.json`` for a run; what another start of it has changed goes into its list ``resumed``."""
    path = folder / "provenance.json"
    began = read_provenance(folder)
    if not began:
        write_json(path, made_from)
        return
    now = {"time": time.strftime("%Y-%m-%d %H:%M:%S")}
    now |= {what: value for what, value in made_from.items() if began.get(what) != value}
    write_json(path, {**began, "resumed": [*began.get("resumed", []), now]})


def read_provenance(folder: Path) -> dict[str, Any]:
    """What the run in ``folder`` was made from, nothing if that is not known.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / "provenance.json"
    if not path.is_file():
        return {}
    with reading(path, "restore it, or delete it to do without what it says of the run's data"):
        found: dict[str, Any] = json.loads(path.read_text())
        if not all(isinstance(value, list if name == "resumed" else str) for name, value in found.items()):
            raise ValueError("it holds something else")
        return found


def check_same_data(folder: Path, now: dict[str, str]) -> None:
    """Refuse to go on with, or to measure, the run in ``folder`` on other episodes or behind another tokenizer.

    With other episodes the split differs, and what the run was trained on would be held out; with another tokenizer
    the codes mean something else.

    Raises:
        ValueError: names what differs.
    """
    made_from = read_provenance(folder)
    for what, identity in now.items():
        if made_from.get(what, identity) != identity:
            raise ValueError(
                f"{folder} was trained with other {what} ({made_from[what][:12]}…) than are here now ({identity[:12]}…)"
            )
