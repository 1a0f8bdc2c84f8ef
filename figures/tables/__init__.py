"""The tables, by name."""

from figures.tables import error_bars, table8
from figures.tables.declared import DECLARED
from figures.tables.table import Table

TABLES: dict[str, Table] = {table.name: table for table in (*DECLARED, table8.TABLE, error_bars.TABLE)}
