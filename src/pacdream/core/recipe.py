"""What the recipe of a network may name, since whoever reads a checkpoint builds what its recipe says."""

from typing import Any

from hydra.utils import get_object
from torch import nn


def check_recipe(recipe: Any) -> None:
    """Refuse a recipe that would call anything but the constructors of this package's own networks.

    Raises:
        ValueError: says what it would call.
    """
    if isinstance(recipe, list):
        for value in recipe:
            check_recipe(value)
    elif isinstance(recipe, dict):
        if "_target_" in recipe:
            _check_target(str(recipe["_target_"]))
        for pair in recipe.items():
            check_recipe(list(pair))
    elif isinstance(recipe, str) and "${" in recipe:
        raise ValueError("its recipe holds an interpolation, which could call anything")


def _check_target(target: str) -> None:
    network = get_object(target) if target.startswith("pacdream.") else None
    # The name alone is not enough: a module of this package also reaches what it imports.
    own = isinstance(network, type) and issubclass(network, nn.Module) and network.__module__.startswith("pacdream.")
    if not own:
        raise ValueError(f"its recipe names {target!r}, which is no network of this project")
