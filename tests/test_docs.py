"""The documentation says nothing that is not so: links, paths, commands and code are tried."""

import doctest
import functools
import importlib
import re
import sys
import tomllib
import types
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

import pacdream.command.dream
import pacdream.world_model
from pacdream.command.dream import open_dream
from pacdream.command.train import train
from pacdream.layers import LAYERS
from pacdream.metric.figures import CURVES, HEADLINES
from pacdream.rollout.imagine import imagine
from tests.conftest import ROOT, compose_config
from tests.docs import PAGES, README, anchors, blocks, commands, hydra_commands, inline, links, made_by
from tests.runs import hydra_run, small_overrides, tiny_outcome, tiny_run

OWN = ROOT / "docs" / "own_world_model.md"
TRANSFORMER = "pacdream.world_model.transformer"
DOCTESTED = sorted(path for path in (ROOT / "src").rglob("*.py") if ">>> " in path.read_text())
HYDRA_COMMANDS = sorted({command for page in PAGES for command in hydra_commands(page)})


def of_page(path: Path) -> str:
    return path.name


def name_of(part: str | tuple[str, ...]) -> str:
    return part if isinstance(part, str) else " ".join(part) or "-"


def test_the_readme_is_short() -> None:
    assert len(README.read_text()) <= 8000


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def test_every_page_is_linked_from_another() -> None:
    linked = {(page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in links(page)}
    assert {*PAGES} - {README} <= linked


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_every_path_in_the_text_exists(page: Path) -> None:
    new = {"src/pacdream/world_model/transformer.py", "conf/world_model/transformer.yaml"} if page == OWN else set()
    paths = {text for text in inline(page) if re.fullmatch(r"(src|conf|tests|docs|notebooks)/[\w./]*", text)}
    assert [path for path in sorted(paths - new) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_every_command_is_there(page: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for words in commands(page):
        if words[0] == "make":
            made_by(words[1:])
        elif words[:2] == ["python", "-m"]:
            assert find_spec(words[2]), words
        elif words[0] == "python":
            assert (ROOT / words[1]).is_file(), words
        else:
            assert {name for word in words for name in re.findall(r"\[(\w+)\]", word)} <= set(extras), words


@pytest.fixture(scope="module")
def transformer_config(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The override that adds the settings of the documentation's own world model."""
    (settings,) = blocks(OWN, "yaml")
    folder = tmp_path_factory.mktemp("conf")
    (folder / "world_model").mkdir()
    (folder / "world_model" / "transformer.yaml").write_text(settings)
    return f"hydra.searchpath=[file://{folder}]"


@pytest.mark.parametrize(("root", "overrides"), HYDRA_COMMANDS, ids=name_of)
def test_every_command_composes(root: str, overrides: tuple[str, ...], transformer_config: str) -> None:
    new = [transformer_config] if "world_model=transformer" in overrides else []
    assert compose_config(root, [*overrides, *new])


def test_the_layers_are_listed_in_their_order() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", architecture, re.M) == list(LAYERS)


@pytest.fixture
def beside_outputs(episodes: Path, tokenizer_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder in which ``outputs`` has a finished run, as after ``make train``."""
    monkeypatch.chdir(tiny_run(episodes, tokenizer_path).parents[3])


@pytest.mark.usefixtures("beside_outputs")
def test_the_example_in_python_runs() -> None:
    names: dict[str, object] = {}
    exec(blocks(README, "python")[0], names)
    assert names["pictures"].shape == (8, 210, 160, 3)  # type: ignore[attr-defined]


def test_the_example_of_acting_runs(episodes: Path, tokenizer_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tiny model instead of the one that comes with the package."""
    own = {"run": str(tiny_run(episodes, tokenizer_path)), "outcome": str(tiny_outcome(episodes, tokenizer_path))}
    monkeypatch.setattr(pacdream.command.dream, "open_dream", functools.partial(open_dream, **own))
    for page, number, shape in ((README, 1, (210, 160, 3)), (ROOT / "docs" / "acting.md", 0, (210, 160, 3))):
        names: dict[str, object] = {}
        exec(blocks(page, "python")[number], names)
        assert names["observation"].shape == shape  # type: ignore[attr-defined]


def test_every_logged_name_is_explained(episodes: Path, tokenizer_path: Path) -> None:
    header = (tiny_run(episodes, tokenizer_path) / "csv" / "metrics.csv").read_text().partition("\n")[0]
    logged = {name for name in header.split(",") if "/" in name}
    assert "val/skill" in logged
    logged |= {headline.name for headline in HEADLINES} | {*CURVES}
    explained = {text.replace("@h", "") for text in inline(ROOT / "docs" / "scorecard.md")}
    assert [name for name in sorted(logged) if not {name, name.partition("@")[0]} & explained] == []


def test_the_documentations_world_model_trains(
    episodes: Path, tokenizer_path: Path, tmp_path: Path, transformer_config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType(TRANSFORMER)
    monkeypatch.setitem(sys.modules, TRANSFORMER, module)
    monkeypatch.setattr(pacdream.world_model, "transformer", module, raising=False)
    exec(blocks(OWN, "python")[0], vars(module))
    chosen = ["experiment=gru_baseline", "world_model=transformer", transformer_config, "report=none"]
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer_path, tmp_path)
    with hydra_run("train", tmp_path / "run", [*chosen, *small]) as config:
        train(config)
    model = pacdream.load_run(tmp_path / "run").model()
    assert type(model).__name__ == "TransformerWorldModel"
    codes, actions = torch.randint(model.codebook_size, (3, 4, 7, 5)), torch.randint(model.num_actions, (3, 6))
    assert imagine(model, codes, actions).codes.shape == (3, 3, 7, 5)


@pytest.mark.usefixtures("beside_outputs")
@pytest.mark.parametrize("path", DOCTESTED, ids=lambda path: path.stem)
def test_the_examples_in_docstrings_are_right(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    result = doctest.testmod(importlib.import_module(name), verbose=False)
    assert result.attempted
    assert not result.failed
