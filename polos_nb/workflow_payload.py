"""What a workflow's function takes: its payload, checked against the signature, and how it is called with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from polos_nb.errors import ArgumentsError, DefinitionError
from polos_nb.messages import AgentResult
from polos_nb.payload import as_payload

_KINDS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class PayloadSchema:
    """A workflow's signature: `(ctx)`, `(ctx, payload)`, or `(ctx, a, b=1)`, which takes a mapping of arguments."""

    workflow_id: str
    names: tuple[str, ...]
    required: tuple[str, ...]
    hints: Mapping[str, Any]
    return_type: Any

    def check(self, payload: Any) -> Any:
        """The payload as the function will get it. Raises ArgumentsError saying what is wrong with it."""
        if isinstance(payload, AgentResult) and self._hint() is not AgentResult:
            payload = payload.result
        if not self.names:
            if payload not in (None, {}):
                raise ArgumentsError(f"workflow {self.workflow_id!r} takes no payload; got {_short(payload)}")
            return None
        if len(self.names) == 1:
            if payload is None and self.required and not _allows_none(self._hint()):
                raise ArgumentsError(f"workflow {self.workflow_id!r} needs a payload: {self.names[0]}")
            return self._value(self.names[0], payload)
        return self._arguments(payload)

    def bind(self, ctx: Any, checked: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call with what `check` gave."""
        if not self.names:
            return (ctx,), {}
        if len(self.names) == 1:
            if checked is None and not self.required:
                return (ctx,), {}
            return (ctx, checked), {}
        return (ctx,), dict(checked)

    def _arguments(self, payload: Any) -> dict[str, Any]:
        given = payload.model_dump() if isinstance(payload, BaseModel) else payload
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            raise ArgumentsError(
                f"workflow {self.workflow_id!r} takes {', '.join(self.names)}; give a dict, not {_short(payload)}"
            )
        missing = [name for name in self.required if name not in given]
        unknown = [str(name) for name in given if name not in self.names]
        if missing or unknown:
            said = [f"{', '.join(missing)} is missing"] if missing else []
            said += [f"there is no {', '.join(unknown)}"] if unknown else []
            raise ArgumentsError(f"workflow {self.workflow_id!r}: {'; '.join(said)}; it takes {', '.join(self.names)}")
        return {name: self._value(name, value) for name, value in given.items()}

    def _value(self, name: str, value: Any) -> Any:
        hint = self.hints.get(name, Any)
        if hint in (Any, inspect.Parameter.empty, dict, object):
            if hint is dict and isinstance(value, BaseModel):
                value = value.model_dump()
            if hint is dict and value is not None and not isinstance(value, Mapping):
                raise ArgumentsError(f"workflow {self.workflow_id!r}: {name} must be a dict, not {_short(value)}")
            return as_payload(value)
        if isinstance(hint, type) and isinstance(value, hint):
            return value
        try:
            return as_payload(TypeAdapter(hint).validate_python(value))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join([name, *map(str, first["loc"])])
            raise ArgumentsError(
                f"workflow {self.workflow_id!r}: {place}: {first['msg']}; got {_short(first.get('input'))}"
            ) from None
        except (PydanticSchemaGenerationError, PydanticUserError):
            return value  # a class that pydantic does not know is taken as it is

    def _hint(self) -> Any:
        return self.hints.get(self.names[0], Any) if self.names else Any


def payload_schema(func: Callable[..., Any], id: str, localns: Mapping[str, Any] | None = None) -> PayloadSchema:
    """The signature of a workflow's function. Raises DefinitionError when it takes no context."""
    if inspect.isclass(func):
        raise DefinitionError(f"workflow {id!r} is a class; write @workflow above a function (ctx, payload)")
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise DefinitionError(f"workflow {id!r} yields; return its result, and publish_event what is told meanwhile")
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        raise DefinitionError(f"workflow {id!r}: {func!r} has no signature; write @workflow above a function") from None
    if not parameters or parameters[0].kind not in _KINDS:
        raise DefinitionError(
            f"workflow {id!r} takes no context; write for example: async def {id.replace('-', '_')}(ctx, payload: dict)"
        )
    for parameter in parameters[1:]:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise DefinitionError(f"workflow {id!r}: *{parameter.name} cannot be a payload; name the arguments")
    try:
        hints = get_type_hints(func, localns=dict(localns) if localns else None)
    except Exception:  # a name that only a type checker sees
        hints = {name: hint for name, hint in inspect.get_annotations(func).items() if not isinstance(hint, str)}
    rest = parameters[1:]
    return PayloadSchema(
        workflow_id=id,
        names=tuple(parameter.name for parameter in rest),
        required=tuple(parameter.name for parameter in rest if parameter.default is inspect.Parameter.empty),
        hints={name: hint for name, hint in hints.items() if name != "return"},
        return_type=hints.get("return"),
    )


def _allows_none(hint: Any) -> bool:
    return hint in (None, type(None)) or type(None) in getattr(hint, "__args__", ())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
