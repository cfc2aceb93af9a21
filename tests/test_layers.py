"""Imports point downward only: sweep → evaluation → rollout → data → policy → env."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "pacdream"
LAYERS = ("env", "policy", "data", "rollout", "evaluation", "sweep", "callback")


def imported(path):
    """Every module that a file imports, with ``from a import b`` as both ``a`` and ``a.b``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(package=""):
    found = sorted((PACKAGE / package).rglob("*.py"))
    assert found
    return found


def offenders(paths, forbidden):
    """Lines ``file imports module`` for all imports of the forbidden modules or what lies below them."""
    return [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in paths
        for module in imported(path)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]


def parts(names):
    return {f"pacdream.{name}" for name in names}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_imports_one_above_it(layer):
    assert not offenders(files(layer), parts(LAYERS[LAYERS.index(layer) + 1 :]))


@pytest.mark.parametrize(("network", "other"), [("tokenizer", "world_model"), ("world_model", "tokenizer")])
def test_networks_import_neither_each_other_nor_any_layer(network, other):
    assert not offenders(files(network), parts({other, *LAYERS}))


@pytest.mark.parametrize("network", ["tokenizer", "world_model"])
def test_only_the_lightning_module_of_a_network_imports_lightning(network):
    paths = [path for path in files(network) if path.name != "module.py"]
    assert not offenders(paths, {"lightning", "pytorch_lightning", "lightning_fabric"})


@pytest.mark.parametrize("layer", ["env", "policy", "world_model"])
def test_checkpoints_are_no_business_of(layer):
    assert not offenders(files(layer), {"pacdream.runtime.checkpoints"})


@pytest.mark.parametrize("layer", ["env", "policy"])
def test_game_and_players_know_no_network(layer):
    assert not offenders(files(layer), parts({"tokenizer", "world_model"}))


def test_data_knows_no_world_model():
    assert not offenders(files("data"), {"pacdream.world_model"})


def test_data_knows_of_tokenizers_only_their_interface():
    modules = {path.stem for path in files("tokenizer")} - {"base", "__init__"}
    assert not offenders(files("data"), parts(f"tokenizer.{module}" for module in modules))


def test_a_sweep_is_read_from_files_alone():
    assert not offenders(files("sweep"), parts(set(LAYERS) - {"evaluation", "sweep"} | {"tokenizer", "world_model"}))


def test_package_imports_neither_tests_nor_scripts():
    scripts = {path.stem for path in ROOT.glob("*.py")}
    assert not offenders(files(), {"tests", *scripts})


def test_types_import_nothing_of_the_package():
    assert not offenders([PACKAGE / "types.py"], {"pacdream"})


def test_recording_workers_do_not_wait_for_torch():
    code = "import sys, pacdream.data.collect; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
