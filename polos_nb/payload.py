"""A workflow's payload: a dict whose keys can also be read as attributes, as in `input.task`."""

from __future__ import annotations

from typing import Any


class Payload(dict[str, Any]):
    """A dict with attribute access, all the way down. It is kept, compared and shown as the dict it is.

    >>> Payload(task="plan", options={"depth": 2}).options.depth
    2
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key, value in self.items():
            super().__setitem__(key, as_payload(value))

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            known = ", ".join(str(key) for key in self) or "nothing"
            raise AttributeError(f"the payload has no {name!r}; it has {known}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = as_payload(value)

    def __reduce__(self) -> Any:
        return Payload, (dict(self),)


def as_payload(value: Any) -> Any:
    """A value in which every dict is a `Payload`."""
    if type(value) is dict:
        return Payload(value)
    if type(value) is list:
        return [as_payload(item) for item in value]
    return value
