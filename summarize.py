"""What a sweep has found, written into its folder and printed.

    python summarize.py outputs/sweep/<name>/<time>

writes summary.html (the page to read), summary.csv (a row per job) and pictures. `train.py -m` does so
by itself at its end; run this while jobs are running, or after one of them was resumed or measured again.
"""

import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Summarise the sweep whose folder is the only argument."""
    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(__doc__)
        return
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(f"summarize.py: give the folder of one sweep, not {arguments or 'nothing'}.\n\n{__doc__}")
        sys.exit(2)
    from pacdream.sweep.summarize import summarize  # here: usage need not wait for torch

    try:
        summarize(Path(arguments[0]))
    except (ValueError, OSError) as error:
        sys.exit(f"summarize.py: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
