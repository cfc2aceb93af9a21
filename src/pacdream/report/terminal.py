"""Tables on the terminal."""

from rich.console import Console
from rich.table import Table as RichTable

from pacdream.report.tables import Table


def print_table(table: Table) -> None:
    """Without intervals; nothing of a table without rows."""
    if not table.rows:
        return
    grid = RichTable(title=table.title)
    for heading in table.header:
        grid.add_column(heading, justify="right" if heading else "left")
    for row in table.rows:
        grid.add_row(*(value if isinstance(value, str) else value.text for value in row))
    Console().print(grid)
