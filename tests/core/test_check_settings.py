import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from omegaconf import DictConfig, OmegaConf

from pacdream.core.check_settings import check_settings
from pacdream.core.limits import Natural, Positive, PositiveFloat, Range, Seed, Share


@pytest.mark.parametrize(
    ("limits", "inside", "outside", "says"),
    [
        (Range(1), [1, 1.5, 1e9], [0, -1, math.nan], "be at least 1"),
        (Range(0, open=True), [1e-9, 3], [0, -1, math.nan], "be above 0"),
        (Range(0, 1, open=True), [0.1, 1], [0, 1.01, math.nan], "lie in (0, 1]"),
        (Range(0, 2**32 - 1), [0, 2**32 - 1], [-1, 2**32], "lie in [0, 4294967295]"),
    ],
)
def test_a_range_holds_what_it_says(
    limits: Range, inside: Sequence[float], outside: Sequence[float], says: str
) -> None:
    assert all(value in limits for value in inside)
    assert not any(value in limits for value in outside)
    assert str(limits) == says


@dataclass
class Taker:
    """One argument of every kind of hint."""

    count: Positive = 1
    natural: Natural = 0
    share: Share = 0.5
    rate: PositiveFloat = 1.0
    seed: Seed = 0
    limit: Positive | None = None
    flag: bool = False
    name: str = ""
    path: str | list[str] | None = None
    choice: Literal["a", "b"] = "a"
    sizes: dict[str, Positive] | None = None
    numbers: Sequence[int] = ()
    make: Callable[[], int] | None = None
    anything: Any = None
    sloppy: int = None  # type: ignore[assignment]


def taking(**settings: Any) -> DictConfig:
    return OmegaConf.create({"taker": {"_target_": f"{__name__}.Taker", **settings}}).taker


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("count", 0, "taker.count=0 must be at least 1"),
        ("count", True, "taker.count=True is no int"),
        ("count", 1.0, "taker.count=1.0 is no int"),
        ("count", None, "taker.count=null is no int"),
        ("natural", -1, "taker.natural=-1 must be at least 0"),
        ("share", 0.0, "taker.share=0.0 must lie in (0, 1]"),
        ("rate", 0, "taker.rate=0 must be above 0"),
        ("seed", 2**32, "taker.seed=4294967296 must lie in [0, 4294967295]"),
        ("limit", 0, "taker.limit=0 must be at least 1"),
        ("flag", 1, "taker.flag=1 is no bool"),
        ("name", 3, "taker.name=3 is no str"),
        ("name", ["a"], "taker.name=['a'] is no str"),
        ("path", 3, "taker.path=3 is no str | list[str] | null"),
        ("choice", "c", "taker.choice='c' is no typing.Literal['a', 'b']"),
        ("sizes", 3, "taker.sizes=3 is no group of settings | null"),
        ("sizes", {"cpu": 0}, "taker.sizes.cpu=0 must be at least 1"),
        ("numbers", "abc", "taker.numbers='abc' is no collections.abc.Sequence[int]"),
        ("numbers", None, "taker.numbers=null is no collections.abc.Sequence[int]"),
    ],
)
def test_what_does_not_fit_is_one_line(name: str, value: object, line: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as error:
        check_settings(taking(**{name: value}))
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 1), ("share", 1), ("limit", None), ("limit", 5), ("path", ["a", "b"]), ("path", None),
        ("choice", "b"), ("sizes", {"cpu": 3}), ("numbers", [1, 2]), ("make", None), ("anything", None),
        ("anything", "x"), ("sloppy", None), ("unknown", None),
    ],
)  # fmt: skip
def test_what_fits_is_taken(name: str, value: object) -> None:
    check_settings(taking(**{name: value}))


def test_a_schema_is_for_settings_without_a_target() -> None:
    with pytest.raises(ValueError, match=r"^count=0 must be at least 1$"):
        check_settings(OmegaConf.create({"count": 0, "other": None}), Taker)
    with pytest.raises(ValueError, match=r"^name is not set: give name=<str>$"):
        check_settings(OmegaConf.create({"name": "???"}), Taker)


def test_settings_here_come_before_those_below_that_refer_to_them() -> None:
    with pytest.raises(ValueError, match=r"^seed=-1 must"):
        check_settings(OmegaConf.create({"a": {"_target_": f"{__name__}.Taker", "seed": "${seed}"}, "seed": -1}), Taker)
