"""Imports point downward only, in the order of ``pacdream.layers``."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pacdream.layers import LAYERS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "pacdream"
ORDER = list(LAYERS)
WITHOUT_TORCH = {"__init__.py", "sweep/callback.py", "core/resolvers.py"}
"""Files that a process imports which does not need torch: only these may import inside a function."""


def imports(path):
    """Every import of a file: the module, ``from a import b`` as both ``a`` and ``a.b``, and whether it is hidden."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.col_offset > 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            yield node.module, node.col_offset > 0
            yield from ((f"{node.module}.{alias.name}", node.col_offset > 0) for alias in node.names)


def files(package=""):
    found = sorted((PACKAGE / package).rglob("*.py"))
    assert found
    return found


def offenders(paths, forbidden):
    """Lines ``file imports module`` for all imports of the forbidden modules or what lies below them."""
    return [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in paths
        for module, _ in imports(path)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]


def parts(names):
    return {f"pacdream.{name}" for name in names}


def test_every_package_is_a_layer():
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"assets"}
    assert packages == set(LAYERS)


@pytest.mark.parametrize("layer", ORDER)
def test_no_layer_imports_one_above_it(layer):
    assert not offenders(files(layer), parts(ORDER[: ORDER.index(layer)]))


@pytest.mark.parametrize("layer", ORDER)
def test_every_layer_has_tests(layer):
    assert list((ROOT / "tests" / layer).glob("test_*.py"))


def test_no_import_is_hidden_in_a_function_but_where_torch_must_not_load():
    hidden = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in files()
        if str(path.relative_to(PACKAGE)) not in WITHOUT_TORCH
        for module, inside in imports(path)
        if inside and module.startswith("pacdream") and not _only_for_types(path, module)
    ]
    assert not hidden


def _only_for_types(path, module):
    """Whether the import stands under ``if TYPE_CHECKING``."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            names = {inner.module for inner in ast.walk(node) if isinstance(inner, ast.ImportFrom)}
            return any(module == name or module.startswith(f"{name}.") for name in names)
    return False


@pytest.mark.parametrize(("network", "other"), [("tokenizer", "world_model"), ("world_model", "tokenizer")])
def test_networks_know_neither_each_other_nor_where_data_come_from(network, other):
    assert not offenders(files(network), parts({other, "data", "policy", "game"}))


@pytest.mark.parametrize("network", ["tokenizer", "world_model"])
def test_only_the_lightning_module_of_a_network_imports_lightning(network):
    paths = [path for path in files(network) if path.name != "module.py"]
    assert not offenders(paths, {"lightning", "pytorch_lightning", "lightning_fabric"})


@pytest.mark.parametrize("layer", ["game", "policy", "metric", "world_model"])
def test_checkpoints_are_no_business_of(layer):
    assert not offenders(files(layer), {"pacdream.core.checkpoints"})


def test_data_knows_of_tokenizers_only_their_interface():
    modules = {path.stem for path in files("tokenizer")} - {"base", "__init__"}
    assert not offenders(files("data"), parts(f"tokenizer.{module}" for module in modules))


def test_package_imports_neither_tests_nor_scripts():
    scripts = {path.stem for path in ROOT.glob("*.py")}
    assert not offenders(files(), {"tests", *scripts})


def test_types_import_nothing_of_the_package():
    assert not offenders([PACKAGE / "types.py"], {"pacdream"})


def test_contributing_names_the_layers_in_their_order():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert " → ".join(ORDER) in text


def test_recording_workers_do_not_wait_for_torch():
    code = "import sys, pacdream.data.collect; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
