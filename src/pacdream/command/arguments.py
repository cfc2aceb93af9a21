"""The command line before Hydra reads it."""

import re
import sys
from pathlib import Path

_PLAIN = re.compile(r"(\.{0,2}/|[A-Za-z_])[\w./-]*", re.ASCII)
"""A path that Hydra takes as it is typed."""


def prepare_arguments(*paths: str) -> None:
    """Let these arguments be paths as they are typed; end with one line where Hydra would with a traceback."""
    sys.argv = quote_paths(sys.argv, *paths)
    others = [argument for argument in sys.argv if argument.partition("=")[0] not in paths]
    if problem := null_group(others) or nameless_sweep(others):
        sys.exit(f"{Path(sys.argv[0]).name}: {problem}")


def quote_paths(argv: list[str], *keys: str) -> list[str]:
    """Quote the values of these arguments, which are paths or lists of paths.

    Hydra reads ``,`` and ``=`` in a value as its own, and the folders of a sweep are named by overrides full of both.
    In a list ``[a,b]``, and in a multirun, only what the user has quoted, or what exists, may hold a comma.
    """
    swept = begins_sweep(argv)
    return [_quote_path(argument, keys, swept) for argument in argv]


def begins_sweep(argv: list[str]) -> bool:
    """Whether Hydra will start several jobs; a recipe does not where a single run is asked for."""
    recipe = any(argument.startswith("sweep=") for argument in argv) and "hydra.mode=RUN" not in argv
    return recipe or not {"-m", "--multirun", "hydra.mode=MULTIRUN"}.isdisjoint(argv)


def _quote_path(argument: str, keys: tuple[str, ...], swept: bool) -> str:
    key, _, value = argument.partition("=")
    if key not in keys or value in ("", "null") or value[0] in "\"'":
        return argument
    if _PLAIN.fullmatch(value) or value.startswith(("choice(", "glob(", "range(")):
        return argument
    if swept and "," in value and not Path(value).exists():
        return argument  # several paths, one for each job
    if value[0] == "[" and value[-1] == "]":
        bare = not {*value} & {'"', "'", "$"} and value[1:-1].strip()
        return f"{key}=[{','.join(quoted(path.strip()) for path in value[1:-1].split(','))}]" if bare else argument
    return f"{key}={quoted(value)}"


def quoted(value: str) -> str:
    """As Hydra takes it literally."""
    escaped = value.replace("'", "\\'")
    return f"'{escaped}'"


def unquoted(value: str) -> str:
    """As it was before it was quoted, if it is."""
    quote = value[:1]
    if quote not in ("'", '"') or value[1:][-1:] != quote:
        return value
    return value[1:-1].replace(f"\\{quote}", quote)


def null_group(argv: list[str]) -> str | None:
    """What is wrong with an argument such as ``logger=null``, which chooses nothing where one of several is needed."""
    for argument in argv[1:]:
        group = argument.removesuffix("=null").partition("@")[0]
        options = sorted(path.stem for path in (Path(argv[0]).parent / "conf" / group).glob("*.yaml"))
        if argument.endswith("=null") and options:
            return f"{argument} chooses nothing: leave it out, or choose one of {', '.join(options)}"
    return None


def nameless_sweep(argv: list[str]) -> str | None:
    """What is wrong with a sweep over experiments, each of which would name its folder otherwise."""
    swept = [a for a in argv if a.startswith("experiment=") and {*a} & {",", "("}]
    if swept and not any(a.startswith(("name=", "hydra.sweep.dir=")) for a in argv):
        return f"{swept[0]} sweeps over experiments, which have different names: give the sweep one with name=<name>"
    return None
