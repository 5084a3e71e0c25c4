"""Values that are not streamed, as rows: documents of JSON and YAML, batches of parquet."""

from collections.abc import Iterator
from typing import Any

from image_core.adversarial.errors import UserError

Row = dict[str, Any]


def records_of_value(value: Any, source: str) -> Iterator[tuple[int, Row]]:
    """Numbers and rows of a document: of its list, or of the one list within it.

    Args:
        value: What the document holds.
        source: Name of its file, for messages.

    Raises:
        UserError: It holds several lists, or none.
    """
    if isinstance(value, dict):
        value = _of_columns(value)
    if isinstance(value, dict):
        lists = [name for name, inner in value.items() if isinstance(inner, list)]
        lists = ["messages"] if {"participants", "messages"} <= set(lists) else lists
        if len(lists) > 1:  # names of categories, say, beside the records
            nested = [n for n in lists if any(isinstance(one, (dict, list)) for one in value[n])]
            lists = nested if len(nested) == 1 else lists
        if len(lists) > 1:
            raise UserError(
                f"{source} holds several lists ({', '.join(lists[:5])}); save one of them as "
                f"a file of its own, for example by `jq .{lists[0]}`"
            )
        value = value[lists[0]] if lists else [value]
    if not isinstance(value, list):
        raise UserError(f"{source} holds no list of records; save them as one JSON list")
    yield from enumerate(map(as_row, value), 1)


def _of_columns(value: dict[str, Any]) -> Any:
    """Rows of columns of one length, and of what pandas writes by orient="split"."""
    parts = list(value.values())
    if parts and all(isinstance(part, dict) and part.keys() == parts[0].keys() for part in parts):
        if all(key.isdigit() for key in parts[0]):  # what pandas writes by default
            return [{name: part[key] for name, part in value.items()} for key in parts[0]]
        return parts if len(parts) > 1 else value  # records by their names
    if set(value) == {"columns", "index", "data"}:
        return [dict(zip(value["columns"], row)) for row in value["data"]]
    lists = len(parts) > 1 and all(isinstance(part, list) for part in parts)
    if not lists or len(set(map(len, parts))) > 1:
        return value
    if not any(isinstance(cell, str) for part in parts for cell in part):  # splits, say
        return value
    return [dict(zip(value, row)) for row in zip(*parts)]


def as_row(value: Any) -> Row:
    """A value of a list as a row; what is no mapping is its `text`.

    Args:
        value: Value of a JSON list.
    """
    return value if isinstance(value, dict) else {"text": value}


def yaml_value(text: str) -> Any:
    """What a YAML document holds: lists, mappings and strings; nothing becomes a date or a number.

    Args:
        text: The document.

    Raises:
        ValueError: It is broken, or has aliases, which can unpack to very much.
    """
    import yaml

    loader: Any = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
            raise ValueError("it has aliases (*name); write what they stand for in their place")
        return yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error


def with_texts(batch: Any) -> Any:
    """A batch with columns of bytes as texts, where they are some: older writers keep them so.

    Args:
        batch: Record batch of pyarrow.
    """
    import pyarrow

    for place, field in enumerate(batch.schema):
        if pyarrow.types.is_binary(field.type) or pyarrow.types.is_large_binary(field.type):
            try:
                texts = batch.column(place).cast(pyarrow.large_string())
            except pyarrow.ArrowInvalid:
                continue
            batch = batch.set_column(place, field.name, texts)
    return batch
