"""Which column of a text file is for which role, and whether its first line names them."""

from collections.abc import Sequence

from image_core.adversarial.errors import UserError
from seqgan.retrieval import delimited
from seqgan.retrieval.delimited import Layout
from seqgan.retrieval.roles import Role, lacking, names_one, numbered, places


def find_columns(
    layout: Layout, source: str, roles: Sequence[Role], columns: Sequence[str], header: str
) -> tuple[dict[str, int], list[str] | None, str]:
    """Place of each role, the header's names if there is one, and what is to be said of it.

    Args:
        layout: First lines of the file.
        source: Name of the file, for complaints.
        roles: Roles in the order in which the columns of a file without a header stand.
        columns: Names or numbers of the columns in the order of the roles; may be empty.
        header: Whether the first line is a header: yes, no or auto.

    Raises:
        UserError: There is a header, and it does not say which column is which.
    """
    first, needed = [field.strip() for field in layout.rows[0]], sum(r.needed for r in roles)
    by_number = bool(columns) and all(name.isdigit() for name in columns)
    if header != "no" and not by_number and (named := places(source, first, roles, columns)):
        return named, first, ""
    trec = delimited.trec_kind(layout.rows) if not columns and layout.separator != "::" else ""
    if trec == "run" or (trec and roles[0].name != "user"):
        raise UserError(
            f"{source} is a TREC {trec} file, which holds ids and no texts or ratings of them; "
            "name its columns by their numbers, as in --columns 1,3,5, if they are meant"
        )
    if trec:
        return {"user": 0, "item": 2, "rating": 3}, None, "TREC qrels"
    if not columns and roles[0].name == "user" and delimited.items_first(layout.rows):
        found = {"user": 1, "item": 0, "rating": 2, "time": 3}
        return found, None, "no header, items before users as Amazon writes them"
    if not columns and roles[0].name == "user":
        if header == "auto" and names_one(first[0], roles) and delimited.is_matrix(layout.rows):
            raise _unclear(layout, source, roles)
        _check_unnamed(layout, source, len(roles), header)
    found = numbered(columns, roles, len(first))
    if "rating" in found and "time" not in found and not columns:
        rest = layout.rows[1:] if header == "yes" else layout.rows
        if delimited.is_time(rest, found["rating"]):
            found["time"] = found.pop("rating")
    if not columns and "rating" in found and not delimited.is_rating(layout.rows, found["rating"]):
        found = {role: found[role] for role in ("user", "item")}  # names of items, or the like
    if not {role.name for role in roles if role.needed} <= set(found):
        raise lacking(source, roles, columns, first)
    if header == "no":
        return found, None, ""
    if header == "yes" and not by_number:
        raise lacking(source, roles, columns, first)
    if header == "yes":
        return found, first, ""
    if delimited.words_over_numbers(layout.rows, len(roles)):
        if by_number:
            return found, first, ""
        raise _unclear(layout, source, roles)
    if delimited.stands_alone(layout.rows, needed):
        said = f"its first row ({','.join(first)}) taken for a header (--header no if it is a row)"
        return found, first, said
    return found, None, ""


def _check_unnamed(layout: Layout, source: str, most: int, header: str) -> None:
    """Refuse columns without names whose order is not that of user, item, rating and time.

    Raises:
        UserError: There are too many of them, or they are of another kind.
    """
    rows = layout.rows[header == "yes" :]
    if all(len(row) > 1 and row[1].startswith("qid:") for row in rows):
        raise UserError(
            f"{source} holds judged documents of web queries (qid:), not pairs; pass --task web"
        )
    if delimited.are_features(rows):
        raise UserError(
            f"{source} holds numbered features ({' '.join(layout.rows[0])[:60]}), as libFM and "
            "SVMlight write them; write a user, an item and a rating a line"
        )
    if all(len(row) > 1 and row[0].endswith(":") for row in rows):
        raise UserError(
            f"{source} lists the items of a user after a colon ({' '.join(layout.rows[0])[:40]}); "
            'write a pair a line: awk \'{sub(":", "", $1); for (i = 2; i <= NF; i++) print $1, '
            f"$i}}' {source}"
        )
    if delimited.words_over_numbers(layout.rows, most):
        return  # a header, which another refusal is about
    dated = next((i + 1 for i in range(2) if delimited.is_date(rows, i)), None)
    if layout.width > most or dated:
        why = f"dates in column {dated}" if dated else f"{layout.width} columns without names"
        way_out = "or write a line of names above"
        if delimited.is_matrix(rows, header=False):
            way_out = _of_matrix(source, way_out, ", header=None")
        raise UserError(
            f"{source} has {why}: {','.join(layout.rows[0])[:80]}; say which are user, item, "
            f"rating and time by their numbers, as in --columns 1,5, {way_out}"
        )


def _unclear(layout: Layout, source: str, roles: Sequence[Role]) -> UserError:
    """The complaint about a header that does not say which column is which."""
    way_out = "or pass --header no if it is a row"
    if roles[0].name == "user" and delimited.is_matrix(layout.rows):
        way_out = _of_matrix(source, way_out)
    return UserError(
        f"{source} begins with a header ({_short(layout.rows[0])}) whose names do not say which "
        f"are {', '.join(r.name for r in roles if r.needed)}; name them in this order with "
        f"--columns, {way_out}"
    )


def _short(names: Sequence[str]) -> str:
    return ",".join(names[:8]) + ",..." * (len(names) > 8)


def _of_matrix(source: str, way_out: str, header: str = ", index_col=0") -> str:
    """The way out, with that of a table of users by items."""
    return (
        f"{way_out}; if it has a row a user and a column an item, write a pair a line by `python "
        f"-c \"import pandas as p; t = p.read_csv('{source}'{header}).rename_axis('user'); "
        "t.melt(var_name='item', value_name='rating', ignore_index=False).dropna()"
        ".to_csv('pairs.csv')\"`"
    )
