"""The curves of a run that goes on."""

from pathlib import Path

from pacdream.core.files import atomic_path, reading


def truncate_csv(path: Path, step: int) -> None:
    """Drop the rows that a run logged at ``step`` or later, which it will log again.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.is_file():
        return
    with reading(path, "delete it to begin the curves anew"):
        header, *rows = path.read_text().splitlines()
        column = header.split(",").index("step")
        kept = [row for row in rows if row.count(",") == header.count(",") and int(row.split(",")[column]) < step]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([header, *kept]) + "\n")
