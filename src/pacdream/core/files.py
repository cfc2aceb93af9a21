"""Files that are either whole or absent, and that can be told apart by their content."""

import glob
import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from safetensors import SafetensorError

log = logging.getLogger(__name__)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it takes that name, on failure it is removed.

    Raises:
        ValueError: the folder cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(path)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"cannot write {path}: {error} (choose another folder with paths.outputs=<folder>)") from error
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.exists() else None


def _remove_orphans(path: Path) -> None:
    """Remove what writers of ``path`` left behind that were killed on this machine."""
    for orphan in path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(platform.node())}.*.tmp"):
        pid = orphan.name.split(".")[-2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            orphan.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn whatever a damaged file makes its reader raise into one line with the file's name and the remedy.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        yield
    except Exception as error:  # parsers raise a lot, down to RecursionError
        raise ValueError(f"{path} is damaged ({one_line(error)}): {remedy}") from error


def one_line(error: Exception) -> str:
    """The beginning of what an error says."""
    return " ".join(str(error).split())[:500] or type(error).__name__


@contextmanager
def locked(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock file ``path``; while another process holds it, say that it is ``doing`` and wait.

    The system frees the lock of a process that is killed.

    Raises:
        ValueError: the folder cannot be written to.
    """
    lock = open_lock(path)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        log.info("another process is %s: waiting for it", doing)
        held = lock.acquire()
    with held:
        yield


def open_lock(path: Path) -> FileLock:
    """The lock of this path, whose folder is made.

    Raises:
        ValueError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise ValueError(
            f"cannot write to {path.parent}: {error} (choose another folder with paths.outputs=<folder>)"
        ) from error
    return FileLock(path)


def sha256_of(*parts: bytes | memoryview | str) -> str:
    """Hexadecimal SHA-256 of the parts, each preceded by its length so that no two lists collide.

    >>> sha256_of("ab", "c") == sha256_of("a", "bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()
