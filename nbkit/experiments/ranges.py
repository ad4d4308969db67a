"""Numbers as people write them for a grid: `1-10 (+2)`, `0-1 [5]`, `1, 2, …, 10`.

The grammar is that of the X/Y/Z plot and the grid scripts of Stable Diffusion's web interfaces.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from nbkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_VALUES = 10_000

_NUMBER = r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})"
_SINGLE = re.compile(_NUMBER)
_RANGE = re.compile(
    rf"(?P<first>{_NUMBER})\s*-\s*(?P<last>{_NUMBER})"
    rf"\s*(?:\(\s*(?P<step>{_NUMBER})\s*\)|\[\s*(?P<count>\d{{1,9}})\s*\])?"
)
_DOTS = re.compile(r"…|\.{2,3}")
_BEFORE_DOTS = 2


def is_range(text: str) -> bool:
    """Whether a text is written in this grammar, and means more than one number."""
    items = [item.strip() for item in text.split(",")]
    return all(map(_is_item, items)) and (len(items) > 1 or _RANGE.fullmatch(items[0]) is not None)


def read_range(text: str, field: str) -> list[int | float]:
    """The numbers that a text means, in its order.

    `1-4` counts in ones, `1-10 (+2)` in twos, `10-1 (-3)` downwards; `0-1 [5]` is five numbers at equal distances, both
    ends among them; `1, 2, …, 10` goes on as it began. Several of these stand side by side with commas. A
    number is whole where nothing in its part of the text has a decimal point and the number needs none.

    Args:
        text: The text.
        field: The axis it is for, for messages.

    Raises:
        InputError: It is not written in this grammar, or means more than 10,000 numbers.
    """
    values: list[int | float] = []
    items = [item.strip() for item in text.split(",")]
    for number, item in enumerate(items):
        if _DOTS.fullmatch(item):
            values += _continued(values, items[number + 1 :], field)
        elif _SINGLE.fullmatch(item):
            values.append(_plain(Decimal(item), whole="." not in item))
        elif match := _RANGE.fullmatch(item):
            values += _spread(match, field)
        else:
            raise InputError(
                f"{field}: {item[:60]!r} is no number and no range",
                field=field,
                hint="write 1-10, 1-10 (+2), 0-1 [5] or 1, 2, …, 10; words are given as a list",
            )
        if len(values) > MOST_VALUES:
            raise _too_many(field)
    return values


def _is_item(item: str) -> bool:
    return any(form.fullmatch(item) for form in (_SINGLE, _RANGE, _DOTS))


def _spread(match: re.Match[str], field: str) -> Iterator[int | float]:
    first, last = Decimal(match["first"]), Decimal(match["last"])
    whole = "." not in match[0]
    if match["count"] is not None:
        return _in_equal_parts(first, last, int(match["count"]), field, whole=whole)
    if match["step"] is None and not whole:
        raise InputError(
            f"{field}: {match[0]!r} does not say how far its numbers lie apart",
            field=field,
            hint=f"write {match['first']}-{match['last']} (+0.1) for a step, or […] for how many",
        )
    down = last < first
    step = Decimal(match["step"]) if match["step"] is not None else Decimal(-1 if down else 1)
    return _in_steps(first, last, step, field, whole=whole)


def _in_steps(
    first: Decimal, last: Decimal, step: Decimal, field: str, *, whole: bool
) -> Iterator[int | float]:
    if step == 0 or (last - first) * step < 0:
        raise InputError(f"{field}: steps of {step:f} never lead from {first:f} to {last:f}", field=field)
    count = (last - first) // step
    if count >= MOST_VALUES:
        raise _too_many(field)
    return (_plain(first + step * number, whole=whole) for number in range(int(count) + 1))


def _in_equal_parts(
    first: Decimal, last: Decimal, count: int, field: str, *, whole: bool
) -> Iterator[int | float]:
    if not 0 < count <= MOST_VALUES:
        raise InputError(f"{field}: [{count}] is to be from 1 to {MOST_VALUES:,} numbers", field=field)
    parts = max(count - 1, 1)
    return (_plain(first + (last - first) * number / parts, whole=whole) for number in range(count))


def _continued(before: list[int | float], after: list[str], field: str) -> Iterator[int | float]:
    """What the dots stand for: from the last two numbers up to, and without, the one behind the dots."""
    if len(before) < _BEFORE_DOTS or not after or not _SINGLE.fullmatch(after[0]):
        raise InputError(f"{field}: … stands between two numbers and a last one: 1, 2, …, 10", field=field)
    previous, start = (Decimal(str(it)) for it in before[-_BEFORE_DOTS:])
    end = Decimal(after[0])
    whole = all(isinstance(it, int) for it in before[-_BEFORE_DOTS:])
    values = list(_in_steps(start, end, start - previous, field, whole=whole))[1:]
    return iter(values[:-1] if values and values[-1] == _plain(end, whole=True) else values)


def _plain(number: Decimal, *, whole: bool) -> int | float:
    return int(number) if whole and number == number.to_integral_value() else float(number)


def _too_many(field: str) -> InputError:
    return InputError(f"{field}: more than {MOST_VALUES:,} numbers", field=field)
