"""Facts as rows: a table in a notebook, and dicts for a data frame."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Records:
    """Rows that a service told.

    Attributes:
        title: What they are.
        columns: The names of what is shown of each; its dict may have more.
    """

    def __init__(self, title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        self.title = title
        self.columns = tuple(columns)
        self._rows = tuple(rows)

    def to_records(self) -> list[dict[str, Any]]:
        """The rows as dicts, for a data frame: `pandas.DataFrame(logs.to_records())`."""
        return [dict(row) for row in self._rows]

    def to_pandas(self) -> Any:
        """The rows as a data frame.

        Raises:
            ConfigError: pandas is not installed.
        """
        return data_frame(self.to_records(), "to_records()")

    def to_rows(self) -> list[list[str]]:
        """The cells that are shown, as text; moments in this machine's time."""
        return [[_shown(row.get(name)) for name in self.columns] for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.to_records())

    def __getitem__(self, number: int) -> dict[str, Any]:
        return dict(self._rows[number])

    def __repr__(self) -> str:
        from nbkit.display import table

        return str(table.bundle(self.title, self.to_rows(), self.columns)["text/plain"])

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        from nbkit.display import table

        return table.bundle(self.title, self.to_rows(), self.columns)


def data_frame(rows: list[dict[str, Any]], instead: str) -> Any:
    """Rows as a data frame of pandas.

    Args:
        rows: The rows; names that one of them lacks are empty there.
        instead: The method that gives the rows without pandas.

    Raises:
        ConfigError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ConfigError("pandas is not installed", hint=f"pip install pandas, or use .{instead}") from error
    return pd.DataFrame(rows)


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.1f}"
    return "" if value is None else str(value)
