"""What the columns of a table are for: roles and their places."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from image_core.adversarial.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

UNCOUNTED = ("time", "question", "answer")
"""Roles whose values hardly ever repeat, so that categories of them would save nothing."""


class Role(NamedTuple):
    """What a column is for.

    Args:
        name: Name of the role.
        names: Further names that headers use, in lower case without marks.
        needed: Whether a table must have the column.
    """

    name: str
    names: tuple[str, ...] = ()
    needed: bool = True


class Table(NamedTuple):
    """Columns as strings under their roles' names.

    Args:
        frame: Columns; empty strings where a field is missing. Categories, but for times and texts.
        told: What was understood, for one line.
    """

    frame: "pd.DataFrame"
    told: str


def _plain(name: str) -> str:
    """A column's name without case and marks; of user_id:token, user_id."""
    return re.sub(r"[^a-z0-9]", "", name.lower().partition(":")[0])


def places(
    source: str, names: Sequence[str], roles: Sequence[Role], columns: Sequence[str]
) -> dict[str, int] | None:
    """Place of each role's column among named ones; None where a needed one has no known name.

    Args:
        source: Name of the table, for complaints.
        names: Names of the table's columns.
        roles: Roles in the order in which the columns of a file without a header stand.
        columns: Names or numbers of the columns in the order of the roles; may be empty.

    Raises:
        UserError: Two columns have the name of a role.
    """
    needed = {role.name for role in roles if role.needed}
    if columns:
        asked = meant(roles, columns)
        found = {role.name: names.index(n) for role, n in zip(asked, columns) if n in names}
        if len(found) < len(columns) or not needed <= set(found):
            return None
        _check_once(source, found, names, names)
        return found
    wanted = {role.name: [role.name, *role.names] for role in roles}
    there = [_plain(name) for name in names]
    found = {
        role: there.index(name)
        for role, called in wanted.items()
        for name in [next((n for n in called if n in there), None)]
        if name is not None
    }
    if not needed <= set(found):
        return None
    _check_once(source, found, names, there)
    return found


def _check_once(
    source: str, found: Mapping[str, int], names: Sequence[str], plain: Sequence[str]
) -> None:
    """Refuse a table in which another column is called like one that is read.

    Raises:
        UserError: There is one.
    """
    for place in found.values():
        alike = [name for name, one in zip(names, plain, strict=True) if one == plain[place]]
        if len(alike) > 1:
            raise UserError(
                f"{source} has several columns named {' and '.join(map(repr, alike))}; rename "
                "them, or say by numbers which are meant, as in --columns 1,3"
            )


def names_one(name: str, roles: Sequence[Role]) -> bool:
    """Whether a column's name is empty, or is one of a role that a table must have.

    Args:
        name: Name of the column.
        roles: Roles.
    """
    plain = _plain(name)
    return any(plain in ("", role.name, *role.names) for role in roles if role.needed)


def meant(roles: Sequence[Role], columns: Sequence[str]) -> list[Role]:
    """Roles that columns stand for: all in order, or those alone that a table must have.

    Args:
        roles: Roles in the order in which the columns of a file without a header stand.
        columns: Names or numbers of the columns.
    """
    needed = [role for role in roles if role.needed]
    return needed if len(columns) == len(needed) else list(roles)


def numbered(columns: Sequence[str], roles: Sequence[Role], width: int) -> dict[str, int]:
    """Place of each role's column where none is named: by number, or in the roles' order.

    Args:
        columns: Names or numbers of the columns in the order of the roles; may be empty.
        roles: Roles in the order in which the columns of a file without a header stand.
        width: Number of columns of the table.
    """
    if columns and all(name.isdigit() for name in columns):
        found = {role.name: int(name) - 1 for role, name in zip(meant(roles, columns), columns)}
    else:
        count = len(columns) or len(roles)
        found = {role.name: place for place, role in enumerate(roles[:count]) if place < width}
    return found


def lacking(
    source: str, roles: Sequence[Role], columns: Sequence[str], names: Sequence[str]
) -> UserError:
    """The complaint about columns that have no known name.

    Args:
        source: Name of the table.
        roles: Roles in the order in which the columns of a file without a header stand.
        columns: Names or numbers of the columns in the order of the roles; may be empty.
        names: Names of the table's columns.
    """
    needed = [role.name for role in roles if role.needed]
    if columns and len(columns) < len(needed):
        return UserError(
            f"--columns {','.join(columns)}: {source} needs columns of {', '.join(needed)}; name "
            "them in this order, with commas between"
        )
    if columns:
        missing = next((name for name in columns if name not in names), columns[0])
        return UserError(
            f"{source} has no column {missing!r}, only {', '.join(map(str, names[:20]))}; name "
            f"those of {', '.join(needed)} in this order with --columns"
        )
    return UserError(
        f"{source} has the columns {', '.join(map(str, names[:20]))}, whose names do not say which "
        f"are {', '.join(needed)}; name them in this order with --columns, or by their numbers"
    )


def told_of(found: Mapping[str, int], names: Sequence[str] | None) -> str:
    """Which column was taken for which role.

    Args:
        found: Place of each role's column.
        names: Names of the table's columns; None where it has no header.
    """
    if names is None:
        return ", ".join(f"{role} = column {place + 1}" for role, place in found.items())
    return ", ".join(f"{role} = {names[place]}" for role, place in found.items())


def filled(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Columns as strings, fields that are missing as empty ones; few names for many rows.

    Args:
        frame: Columns under their roles' names.
    """
    import pandas as pd

    made = {}
    for name in map(str, frame.columns):
        column = frame[name].fillna("")
        if name not in UNCOUNTED:
            codes, names = pd.factorize(column)
            column = pd.Series(pd.Categorical.from_codes(codes, names), frame.index)
        made[name] = column
    return pd.DataFrame(made)


def together(parts: "Sequence[pd.DataFrame]", source: str) -> "pd.DataFrame":
    """The rows of parts of one table; names keep the order in which they come first.

    Args:
        parts: What `filled` gave.
        source: Name of the table.

    Raises:
        UserError: There is no row.
    """
    import pandas as pd

    if not sum(map(len, parts)):
        raise UserError(f"{source} holds no rows; name a file with rows in it")
    if len(parts) == 1:
        return parts[0]
    made = {}
    for name in parts[0]:
        columns = [part[name] for part in parts]
        if name in UNCOUNTED:
            made[name] = pd.concat(columns, ignore_index=True)
        else:
            made[name] = pd.Series(pd.api.types.union_categoricals(columns))
    return pd.DataFrame(made)
