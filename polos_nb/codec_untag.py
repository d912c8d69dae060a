"""Stored JSON as a reader sees it: tags taken off, without knowing any of the classes they speak of."""

from __future__ import annotations

from typing import Any

_ITEMS = {"$tuple", "$set", "$frozenset"}
_FIELDS = {"$model", "$dataclass", "$namedtuple"}
_PAIRS = {"$dict", "$OrderedDict", "$Counter"}
_FIRST = {"$deque", "$datetime", "$time"}


def untag(tree: Any) -> Any:
    """Plain data of what `codec.encode` wrote (parsed from JSON); for showing, not for computing.

    >>> untag({"$model": ["__main__:Weather", {"city": "Rome", "range": {"$tuple": [1, 2]}}, None, None]})
    {'city': 'Rome', 'range': [1, 2]}
    """
    if isinstance(tree, list):
        return [untag(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if len(tree) != 1 or not (tag := next(iter(tree))).startswith("$"):
        return {name: untag(value) for name, value in tree.items()}
    inner = tree[tag]
    if tag in _ITEMS:
        return untag(inner)
    if tag in _FIELDS:
        fields = untag(inner[1])
        extra = {str(untag(name)): untag(value) for name, value in (inner[3] or [])} if len(inner) > 3 else {}
        return fields | extra
    if tag in _PAIRS:
        return {str(untag(name)): untag(value) for name, value in inner}
    if tag in _FIRST:
        return untag(inner[0])
    if tag == "$enum":
        return inner[1] if inner[1] is not None else untag(inner[2])
    if tag in ("$path", "$url", "$ip"):
        return untag(inner[1])
    return untag(inner)
