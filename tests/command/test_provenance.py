import json
from pathlib import Path

import pytest

from pacdream.command.provenance import check_same_data, provenance


def test_code_packages_and_device_are_named() -> None:
    assert {"git", "torch", "lightning", "pacdream", "python", "device"} <= provenance().keys()


def run_made_from(folder: Path, **identities: str) -> Path:
    (folder / "provenance.json").write_text(json.dumps(identities))
    return folder


def test_same_data_are_accepted(tmp_path: Path) -> None:
    check_same_data(run_made_from(tmp_path, episodes="aa", tokenizer="bb"), {"episodes": "aa", "tokenizer": "bb"})


@pytest.mark.parametrize("what", ["episodes", "tokenizer"])
def test_other_data_are_refused_and_named(tmp_path: Path, what: str) -> None:
    now = {"episodes": "aa", "tokenizer": "bb", what: "cc"}
    with pytest.raises(ValueError, match=f"trained with other {what} .* here now .cc"):
        check_same_data(run_made_from(tmp_path, episodes="aa", tokenizer="bb"), now)
