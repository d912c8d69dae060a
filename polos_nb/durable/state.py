"""A workflow's state: what steps change in it is kept with their answers, and comes back with them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from polos_nb.codec import decode, encode, types_of
from polos_nb.errors import CodecError


class WorkflowState(BaseModel):
    """Base of the classes given as `state_schema=`: each assignment is checked.

    >>> class Count(WorkflowState):
    ...     value: int = 0
    """

    model_config = ConfigDict(validate_assignment=True)


class StateKeeper:
    """The state of one pass of a workflow.

    A pass begins with the initial state. What the workflow's body changes, it changes again in every pass; what a
    step changes while it is executed is kept with its record, and put back when the record answers.
    """

    def __init__(self, state: BaseModel) -> None:
        self.state = state
        self._types = types_of(type(state))
        self._put: dict[str, tuple[float, float]] = {}  # when the step was executed that a field was put back from

    def snapshot(self) -> dict[str, str]:
        """Each field as it is kept. Raises CodecError for a value that cannot be kept."""
        name = type(self.state).__name__
        return {
            field: encode(getattr(self.state, field), what=f"{name}.{field} of the state", types=self._types)
            for field in type(self.state).model_fields
        }

    def changes(self, before: dict[str, str]) -> str | None:
        """The fields that differ from a snapshot, as JSON; None when nothing changed."""
        changed = {name: text for name, text in self.snapshot().items() if before.get(name) != text}
        return encode(changed) if changed else None

    def put_back(self, kept: str, began: float = 0.0, ended: float = 0.0) -> None:
        """Apply what `changes` gave in a step that was executed from `began` to `ended`.

        Of steps that were executed side by side the one that ended last had the last word, whichever answers first.
        Fields that the state no longer has are left out.
        """
        for name, text in decode(kept).items():
            other = self._put.get(name, (0.0, 0.0))
            if name in type(self.state).model_fields and not other[0] < ended < other[1]:
                self._put[name] = (began, ended)
                try:
                    setattr(self.state, name, decode(text, self._types))
                except ValueError as error:
                    raise CodecError(f"the kept state no longer fits {type(self.state).__name__}: {error}") from None

    def text(self) -> str:
        """The whole state as JSON."""
        fields: dict[str, Any] = {name: getattr(self.state, name) for name in type(self.state).model_fields}
        return encode(fields, what="the state", types=self._types)
