"""What the tests of values share: classes of every kind that can be kept, a strict comparison, and runs of one step."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import math
from collections import deque
from dataclasses import dataclass
from enum import Enum, Flag, IntEnum, StrEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from polos_nb import PolosClient, WorkflowContext, tool
from polos_nb.durable.code_version import opaque
from polos_nb.errors import CodecError, PolosError
from polos_nb.runtime.runtime import Runtime
from polos_nb.settings import Settings
from polos_nb.stores.base import Store

T = TypeVar("T")


class Color(Enum):
    RED = "red"
    BLUE = ("b", 1)


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Access(Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: Any
    y: Any = 0


@dataclass(frozen=True)
class Pair:
    left: Any
    right: Any = None


@dataclass(slots=True)
class Slotted:
    items: list[Any]


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: list[str] = []


class Item(BaseModel):
    name: str
    note: Optional[str] = None  # noqa: UP045 - what users write
    size: Union[int, str] = 0  # noqa: UP007 - what users write
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    data: Any = None


class Box(BaseModel, Generic[T]):
    content: T
    more: list[T] = []


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal in value and in type at every level: nan equals nan, -0.0 differs from 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float | np.floating):
        equal = left == right and math.copysign(1, left) == math.copysign(1, right)
        return bool(equal or (math.isnan(left) and math.isnan(right)))
    if isinstance(left, complex):
        return same(left.real, right.real) and same(left.imag, right.imag)
    if isinstance(left, dict):  # in the same order, for a loop over it sees that
        pairs = zip(left.items(), right.items(), strict=True)
        return len(left) == len(right) and all(same(a, b) for a, b in pairs)
    if isinstance(left, list | tuple | deque):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, set | frozenset):
        return len(left) == len(right) and all(any(same(a, b) for b in right) for a in left)
    if isinstance(left, BaseModel):
        return left.model_fields_set == right.model_fields_set and same(left.__dict__, right.__dict__)
    if dataclasses.is_dataclass(left):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in dataclasses.fields(left))
    return _same_array(left, right)


def _same_array(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        alike = (left.dtype, left.shape) == (right.dtype, right.shape)
        if left.dtype.kind == "O":
            return alike and all(map(same, left.ravel().tolist(), right.ravel().tolist()))
        return alike and left.tobytes() == right.tobytes()
    if isinstance(left, np.generic):
        return bool(left.dtype == right.dtype and left.tobytes() == right.tobytes())
    if isinstance(left, pd.DataFrame):
        pd.testing.assert_frame_equal(left, right, check_exact=True, check_freq=True)
        return True
    if isinstance(left, pd.Series):
        pd.testing.assert_series_equal(left, right, check_exact=True, check_freq=True)
        return True
    if isinstance(left, pd.Index):
        pd.testing.assert_index_equal(left, right, exact=True)
        return True
    if left is pd.NA or left is pd.NaT:
        return left is right
    for name in ("tzinfo", "fold", "unit"):  # which == overlooks
        one, other = getattr(left, name, None), getattr(right, name, None)
        if type(one) is not type(other) or str(one) != str(other):
            return False
    return repr(left) == repr(right) if hasattr(left, "as_tuple") else bool(left == right)


_labels = itertools.count()


@opaque  # its values are data of the test, not constants of the code
class Passes:
    """Runs of a tool with one step that gives a value: `first` executes it, `again` is a later process."""

    def __init__(self, store: Store | str, value: Any) -> None:
        self._store = store
        self._value = value
        self._label = f"run {next(_labels)}"
        self.executed = 0

    def drive(self) -> Any:
        """One pass with a runtime of its own: what the step gave, or the CodecError that it ended with."""
        seen: list[Any] = []

        def give() -> Any:
            self.executed += 1
            return self._value

        @tool(id="give_value", description="Gives a value", version=1)
        async def give_value(ctx: WorkflowContext, label: str) -> None:
            try:
                seen.append(await ctx.step.run("the_step", give, version=1, max_retries=0))
            except CodecError as error:
                seen.append(error)
            raise RuntimeError("so that the next pass comes back to the step")

        runtime = Runtime(store=self._store, mode="live", settings=Settings(retry_delay=0.0))

        async def main() -> None:
            try:
                await give_value.run(PolosClient(runtime=runtime), {"label": self._label})
            except PolosError:
                assert seen

        asyncio.run(main())
        if isinstance(self._store, str):
            runtime.close()
        return seen[0]
