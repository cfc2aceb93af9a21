"""Places where no more can be written: a really full disk, and files that may not become larger."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BALLAST = "ballast"


class FullDisk:
    """A small disk of its own."""

    reason = "No space left on device"

    def __init__(self, folder: Path) -> None:
        """Of which ``folder`` is the top."""
        self.folder = folder

    def run_out(self, kilobytes: int) -> None:
        """Leave so much space."""
        space = os.statvfs(self.folder)
        with (self.folder / BALLAST).open("ab") as file:
            file.write(bytes(space.f_bavail * space.f_frsize - 1024 * kilobytes))

    def recover(self) -> None:
        """There is space again."""
        (self.folder / BALLAST).unlink(missing_ok=True)


class SmallFiles:
    """A limit for the size of every file."""

    reason = "File too large"

    def __init__(self, folder: Path) -> None:
        """``folder`` is any."""
        self.folder = folder
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def run_out(self, kilobytes: int) -> None:
        """So large and no larger."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, self.before[1]))

    def recover(self) -> None:
        """Any size."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


NoSpace = FullDisk | SmallFiles


@contextmanager
def full_disk(folder: Path, kilobytes: int) -> Iterator[FullDisk]:
    """A disk of this size, mounted at a folder."""
    folder.mkdir()
    mount(folder, kilobytes)
    try:
        yield FullDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def small_files(folder: Path) -> Iterator[SmallFiles]:
    """A folder, and a limit for this process."""
    folder.mkdir()
    limit = SmallFiles(folder)
    try:
        yield limit
    finally:
        limit.recover()


def mount(folder: Path, kilobytes: int) -> None:
    """Mount a disk in memory."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True, capture_output=True
    )


def can_mount(folder: Path) -> bool:
    """Whether this process may."""
    with suppress(OSError, subprocess.CalledProcessError):
        mount(folder, 64)
        subprocess.run(["umount", folder], check=True)
        return True
    return False


def can_mount_elsewhere() -> bool:
    """Whether this process may in a name space of its own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
