"""Values of steps: the first pass and every later one get the same, or the same error that names step and value."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_values
from hypothesis.extra import pandas as pandas_values

from polos_nb.errors import CodecError
from polos_nb.stores.base import Store
from polos_nb.stores.memory import MemoryStore
from tests.durable.values import (
    Access,
    Box,
    Cat,
    Color,
    Dog,
    Item,
    Level,
    Pair,
    Passes,
    Point,
    Slotted,
    Tree,
    Word,
    same,
)

CHECKS = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store | str]:
    """A store that outlives the runtimes on it."""
    if request.param == "sqlite":
        yield str(tmp_path / "steps.db")
    else:
        memory = MemoryStore()
        yield memory


def check(store: Store | str, value: Any) -> None:
    """Kept and revived alike, or refused alike."""
    passes = Passes(store, value)
    first = passes.drive()
    again = passes.drive()
    if isinstance(first, CodecError):
        assert isinstance(again, CodecError)
        assert str(again) == str(first)
        assert "the_step" in str(first)
        return
    assert passes.executed == 1
    assert same(first, value), (first, value)
    assert same(again, value), (again, value)


def kept(store: Store | str, value: Any) -> None:
    """Kept and revived alike."""
    assert not isinstance(Passes(store, value).drive(), CodecError)
    check(store, value)


FALSY = [0, False, "", [], {}, None, 0.0, -0.0, b"", (), set(), frozenset(), Decimal(0), timedelta(0), Access(0)]
SINGLE = [
    *FALSY,
    math.nan,
    math.inf,
    -math.inf,
    2**64,
    -(2**63) - 1,
    10**5000,
    [True, 1, 1.0],
    {1: "a", "1": "b", None: 0, (1, "x"): [], 1.5: (), False: 3, b"k": Color.RED},
    {"$tuple": [1]},
    {"b": 1, "a": {2, (3, frozenset([4]))}},
    date(2026, 1, 2),
    time(1, 2, 3, 4, fold=1, tzinfo=timezone(timedelta(hours=2), "X")),
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime.max,
    timedelta(days=-1, microseconds=3),
    Decimal("1.10"),
    Decimal("-0"),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("-Infinity"),
    Fraction(1, 3),
    UUID(int=5),
    bytes(range(256)),
    bytearray(b"\x00\xff"),
    Color.BLUE,
    Level.LOW,
    Word.YES,
    Access.READ | Access.WRITE,
    Pair(Point(1, (2, 3)), {Level.LOW: Word.YES}),
    Slotted([Slotted([])]),
    Item(name="n"),
    Item(name="n", note=None, size="7", pet=Dog(tricks=["sit"]), data=[Cat(), Pair(1)]),
    Item(name="n", size=7, pet=Cat(lives=1), data={"deep": Box[Item](content=Item(name="x"))}),
    Box[int](content=1, more=[2]),
    Box[Box[str]](content=Box[str](content="a")),
    Box(content=(1, 2)),
    Tree(value=1, children=[Tree(value=2, children=[Tree(value=3)])]),
    "\ud800",
    {"\udfff": ["a\ud800b"]},
    "\x00",
    deque([1, (2,)], maxlen=3),
    OrderedDict([("b", 1), ("a", 2)]),
    Counter("hello"),
]
ARRAYS = [
    np.float64("nan"),
    np.float64("-0.0"),
    np.float32(0.1),
    np.int8(-3),
    np.bool_(True),
    np.str_("ü"),
    np.bytes_(b"a"),
    np.datetime64("2026-01-01T00:00", "m"),
    np.timedelta64(5, "s"),
    np.complex64(1 + 2j),
    np.arange(6).reshape(2, 3),
    np.array(3.5),
    np.zeros((0, 4)),
    np.array(["a", "bcd"]),
    np.array([1, None, {"a": (1,)}], dtype=object),
    pd.Timestamp("2026-01-01 10:00", tz="Asia/Tokyo"),
    pd.Timestamp("2026-01-01 10:00:00.000000001"),
    pd.Timestamp(datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))),
    pd.Timedelta("1s"),
    pd.NaT,
    pd.NA,
    pd.Series([1.5, None], index=["a", "b"], name=("n", 1)),
    pd.Series([], dtype="int64"),
    pd.Series(["a", None], dtype="string"),
    pd.DataFrame({"a": [1, 2], "b": ["x", None], 3: pd.array([1, None], dtype="Int64")}),
    pd.DataFrame({"t": pd.date_range("2026-01-01", periods=3, freq="D", tz="UTC")}).set_index("t", drop=False),
    pd.DataFrame(index=pd.MultiIndex.from_tuples([("a", 1)], names=["k", None])),
    pd.DataFrame(),
]


@pytest.mark.parametrize("value", [*SINGLE, *ARRAYS], ids=lambda value: type(value).__name__)
def test_a_value_is_the_same_in_the_first_pass_and_in_the_replay(store: Store | str, value: Any) -> None:
    """Falsy values, numbers, dates, containers, classes and arrays come back equal, of equal types, without a call."""
    kept(store, value)


zones = st.one_of(
    st.none(),
    st.timezones(),
    st.just(UTC),
    st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23))),
)
scalars = st.one_of(
    st.sampled_from(FALSY[:5]).map(lambda value: value if not isinstance(value, list | dict) else None),
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**200), max_value=2**200),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.text(st.characters(categories=["Cs", "Ll"])),
    st.binary(),
    st.decimals(),
    st.fractions(),
    st.uuids(),
    st.dates(),
    st.timedeltas(),
    st.datetimes(timezones=zones),
    st.times(timezones=st.one_of(st.none(), st.just(UTC))),
    st.sampled_from([*Color, *Level, *Word, Access.READ | Access.WRITE, Access(0)]),
)
# A signalling NaN has no hash.
hashable = scalars.filter(lambda value: not (isinstance(value, Decimal) and value.is_snan()))
keys = st.one_of(st.sampled_from(["$tuple", "$dict", "$", "a"]), hashable, st.tuples(hashable, hashable))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(hashable, max_size=4),
        st.frozensets(st.one_of(hashable, st.frozensets(hashable, max_size=2)), max_size=4),
        st.builds(Pair, inner, inner),
        st.builds(Slotted, st.lists(inner, max_size=2)),
        st.builds(Point, inner, inner),
        st.builds(
            Item,
            name=st.text(st.characters(exclude_categories=["Cs"])),
            size=st.one_of(st.integers(-9, 9), st.sampled_from(["", "1"])),
            pet=st.one_of(st.none(), st.builds(Cat), st.builds(Dog)),
            data=inner,
        ),
        st.builds(lambda content: Box[Any](content=content), inner),
    ),
    max_leaves=10,
)


@CHECKS
@given(value=values)
def test_any_value_is_kept_or_refused_alike(store: Store | str, value: Any) -> None:
    """Whatever is built of supported parts is equal in both passes, or refused in both with the step's name."""
    check(store, value)


plain_dtypes = st.one_of(
    numpy_values.boolean_dtypes(),
    numpy_values.integer_dtypes(),
    numpy_values.floating_dtypes(),
    numpy_values.complex_number_dtypes(),
    numpy_values.datetime64_dtypes(),
    numpy_values.timedelta64_dtypes(),
    numpy_values.unicode_string_dtypes(max_len=4),
    numpy_values.byte_string_dtypes(max_len=4),
)


@CHECKS
@given(
    value=numpy_values.arrays(plain_dtypes, numpy_values.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
def test_any_array_and_its_scalars_come_back(store: Store | str, value: Any) -> None:
    """Arrays of every dtype and shape, and single elements of them, are equal in both passes."""
    check(store, {"array": value, "element": value.ravel()[:1][0] if value.size else None})


columns = st.lists(
    st.sampled_from(
        [
            pandas_values.column("i", dtype=np.int64),
            pandas_values.column("f", dtype=np.float64),
            pandas_values.column("b", dtype=np.bool_),
            pandas_values.column("d", dtype="datetime64[ns]"),
            pandas_values.column(("t", 1), elements=st.one_of(st.none(), st.text(max_size=3)), dtype=object),
            pandas_values.column(2, elements=st.one_of(st.integers(), st.dates()), dtype=object),
        ]
    ),
    unique_by=lambda column: str(column.name),
    max_size=3,
)


@CHECKS
@given(value=columns.flatmap(lambda given: pandas_values.data_frames(given)))
def test_any_frame_and_its_columns_come_back(store: Store | str, value: pd.DataFrame) -> None:
    """DataFrames, their columns and their rows are equal in both passes, or refused in both."""
    check(store, value)
    check(store, [value.iloc[:, 0] if value.shape[1] else None, value.iloc[::2]])


class Handle:
    pass


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"rows": [1, Handle()]}, '["rows"][1]'),
        (object(), "object"),
        (Item(name="x", data=[Handle()]), ".data[0]"),
        (lambda: 1, "function"),
        ((n for n in ()), "generator"),
        ({Handle: 1}, "type"),
        (type("Text", (str,), {})("x"), "Text"),
        (np.array([Handle()], dtype=object), "Handle"),
        (pd.DataFrame({"a": [Handle()]}), "Handle"),
        (pd.DataFrame({"p": pd.period_range("2026-01", periods=1, freq="M")}), "period"),
    ],
    ids=["nested", "object", "in a model", "function", "generator", "key", "subclass", "array", "frame", "period"],
)
def test_what_cannot_be_kept_names_the_step_and_the_value(store: Store | str, value: Any, named: str) -> None:
    """A value that would not come back is the same CodecError in each pass, with the step and the place in it."""
    first, again = (error for passes in [Passes(store, value)] for error in (passes.drive(), passes.drive()))
    assert isinstance(first, CodecError)
    assert isinstance(again, CodecError)
    assert "the_step cannot be kept" in str(first)
    assert named in str(first)
    assert str(again) == str(first)
