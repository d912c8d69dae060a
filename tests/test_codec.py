"""Values come back from the codec exactly as they were, or are refused with a place and a remedy."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter, OrderedDict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from fractions import Fraction
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, RootModel, SecretStr, computed_field, field_validator

from polos_nb import codec_types
from polos_nb.codec import UnknownType, canonical, decode, digest, encode, remember, to_plain, to_text, types_of
from polos_nb.errors import CodecError

T = TypeVar("T")


class Color(Enum):
    RED = "red"
    BLUE = ("b", 1)


class Level(IntEnum):
    LOW = 1


class Access(Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: Any = 0


@dataclass(frozen=True)
class Pair:
    left: Any
    right: Any = None


@dataclass(slots=True)
class Total:
    values: list[Any]
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = len(self.values)


class Item(BaseModel):
    name: str
    data: Any = None


class Box(BaseModel, Generic[T]):
    content: T
    more: list[T] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    given_name: str = Field(alias="givenName")


class Names(RootModel[list[str]]):
    pass


class Visit(BaseModel):
    at: datetime
    link: HttpUrl


class Account(BaseModel):
    user: str
    password: SecretStr


class Growing(BaseModel):
    text: str

    @field_validator("text")
    @classmethod
    def grow(cls, text: str) -> str:
        return text + "!"


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type at every level; nan equals nan, -0.0 differs from 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or (left, math.copysign(1, left)) == (
            right,
            math.copysign(1, right),
        )
    if isinstance(left, complex):
        return same(left.real, right.real) and same(left.imag, right.imag)
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            same(a, b) and same(left[a], right[b]) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, list | tuple | deque):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, BaseModel):
        return left.model_fields_set == right.model_fields_set and same(left.__dict__, right.__dict__)
    return bool(left == right)


def back(value: Any) -> Any:
    return decode(encode(value))


zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.just(ZoneInfo("Europe/Berlin")),
    st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23))),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(allow_nan=False),
    st.text(),
    st.text(st.characters(categories=["Cs", "Ll"])),
    st.binary(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.dates(),
    st.timedeltas(),
    st.datetimes(timezones=zones),
    st.times(),
    st.sampled_from([*Color, *Level, Access.READ | Access.WRITE, Access(0)]),
)
keys = st.one_of(st.sampled_from(["$tuple", "$dict", "$", "a"]), scalars, st.tuples(scalars))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(st.sampled_from(["$tuple", "$int", "$model", "x"]), inner, max_size=2),
        st.frozensets(scalars, max_size=4),
        st.builds(Pair, inner, inner),
        st.builds(Point, st.integers(), inner),
        st.builds(Item, name=st.text(), data=inner),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(values)
def test_every_supported_value_comes_back(value: Any) -> None:
    """A value built of supported parts comes back equal and of the same types."""
    assert same(back(value), value)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.tuples(st.integers()), st.text()), max_size=5))
def test_the_digest_ignores_the_order_of_dicts(value: dict[str, Any]) -> None:
    """Two dicts of equal items have one digest, whatever the order of insertion."""
    assert digest(value) == digest(dict(reversed(value.items())))


SINGLE = [
    float("inf"),
    float("-inf"),
    -0.0,
    1e308,
    2**64 - 1,
    2**64,
    -(2**63) - 1,
    10**5000,
    "\ud800x",
    {"\udfff": 1},
    {1: "a", "1": "b", None: 0, (1, "x"): []},
    {"$tuple": [1]},
    {"$int": "0x1"},
    {"$dict": [["a", 1]]},
    {"$nope": {"$nope": 1}},
    {1, 2, 3},
    frozenset(),
    bytearray(b"\x00\xff"),
    complex(-0.0, float("nan")),
    range(5, 1, -2),
    deque([1, (2,)], maxlen=3),
    OrderedDict([("b", 1), ("a", 2)]),
    Counter("hello"),
    Path("/etc/hosts"),
    PurePosixPath("a/b"),
    PureWindowsPath("c:/x"),
    Decimal("1.10"),
    Decimal("-Infinity"),
    Fraction(1, 3),
    UUID(int=5),
    IPv4Address("127.0.0.1"),
    date(2026, 1, 2),
    time(1, 2, 3, 4, fold=1, tzinfo=timezone(timedelta(hours=2), "X")),
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    UTC,
    ZoneInfo("Asia/Tokyo"),
    timedelta(days=-1, microseconds=3),
    Color.BLUE,
    {Color.RED: Level.LOW},
    Point(1, (2, 3)),
    Pair(Pair({1}, b"x"), (1,)),
    Item(name="n", data={"p": Pair((1, 2)), 3: [Item(name="deep")]}),
    Names(["a"]),
    Visit.model_validate({"at": "2026-01-01T00:00:00+02:00", "link": "https://example.org/x"}),
    Visit.model_validate({"at": "2026-01-01T00:00:00Z", "link": "https://example.org/x"}),
]


@pytest.mark.parametrize("value", SINGLE, ids=lambda value: type(value).__name__)
def test_one_value_comes_back(value: Any) -> None:
    """Each kind of value comes back with its exact type."""
    assert same(back(value), value)


def test_dates_keep_fold_zone_and_name() -> None:
    """What == on datetimes overlooks is kept as well: fold, the kind of zone and its name."""
    late = back(datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")))
    assert (late.fold, late.tzinfo.key, late.utcoffset()) == (1, "Europe/Berlin", timedelta(hours=1))
    named = back(time(1, tzinfo=timezone(timedelta(hours=2), "X")))
    assert named.tzname() == "X"


def test_a_mutable_dataclass_with_computed_fields_comes_back() -> None:
    """Fields that __post_init__ computes have the stored value, not a new one."""
    total = Total([1, 2])
    total.total = 7
    assert back(total) == total


def test_models_keep_generics_aliases_extras_and_what_was_set() -> None:
    """Generic, aliased, open and partly set models come back with the same class and fields_set."""
    assert same(back(Box[Item](content=Item(name="a"))), Box[Item](content=Item(name="a")))
    opened = Open.model_validate({"givenName": "Ann", "age": (1, 2)})
    assert back(opened) == opened
    assert back(opened).model_extra == {"age": (1, 2)}
    assert back(Item(name="a")).model_fields_set == {"name"}


def test_plain_values_are_plain_json() -> None:
    """What JSON can say is stored as JSON, without tags."""
    value = {"a": [1, None, True, 1.5, "ü"], "b": {}}
    assert orjson.loads(encode(value)) == value
    assert encode({"a": 0}) == '{"a":0}'


class Handle:
    pass


def _refused(value: Any) -> str:
    with pytest.raises(CodecError) as caught:
        encode(value, what="result of step 'fetch'")
    return str(caught.value)


def test_the_refusal_names_the_place_the_type_and_a_remedy() -> None:
    """A refused value is named with its step, its path, its type and what to return instead."""
    said = _refused({"rows": [1, 2, 3, Item(name="x", data=Handle())]})
    assert "result of step 'fetch'" in said
    assert 'result["rows"][3].data' in said
    assert "Handle" in said
    assert "pydantic model" in said


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (lambda: 1, "code"),
        ((n for n in ()), "list(value)"),
        (Account(user="u", password=SecretStr("s3cret")), "secret"),
        (ValueError("x"), "exception"),
        (type("Text", (str,), {})("x"), "str(value)"),
        (Handle(), "Handle"),
        (Growing(text="a"), "validator"),
        (Handle, "code"),
        (datetime(2026, 1, 1, tzinfo=type("Own", (tzinfo,), {"utcoffset": lambda s, d: None})()), "zoneinfo"),
        (np.zeros(40 * 2**20, dtype="u1"), "MiB"),
        (pd.DataFrame({"a": pd.period_range("2026-01", periods=2, freq="M")}), "period"),
        (pd.DataFrame({"a": [Handle()]}), "Handle"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_come_back_is_refused(value: Any, word: str) -> None:
    """Code, iterators, secrets, exceptions, subclasses, changing validators and unknown columns are refused."""
    said = _refused(value)
    assert word in said
    assert "s3cret" not in said


def test_open_files_and_cycles_are_refused(tmp_path: Path) -> None:
    """An open file and a value that contains itself are refused, not walked for ever."""
    with (tmp_path / "f").open("w") as handle:
        assert "open resource" in _refused([handle])
    cycle: dict[str, Any] = {}
    cycle["self"] = [cycle]
    assert "contains itself" in _refused(cycle)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert "nested" in _refused(deep)
    assert "nested" in _refused([(), deep])


@pytest.mark.parametrize(
    "value",
    [
        np.float64("nan"),
        np.float32(0.1),
        np.int8(-3),
        np.bool_(True),
        np.str_("ü"),
        np.bytes_(b"a\x00b"),
        np.datetime64("2026-01-01T00:00", "m"),
        np.complex64(1 + 2j),
    ],
    ids=repr,
)
def test_numpy_scalars_come_back(value: Any) -> None:
    """A numpy scalar keeps its dtype and value."""
    other = back(value)
    assert type(other) is type(value)
    assert other.dtype == value.dtype
    assert other == value or np.isnan(other)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6).reshape(2, 3),
        np.array(3.5),
        np.zeros((0, 4), dtype=">f4"),
        np.array(["a", "bcd"]),
        np.array([1, None, {"a": (1,)}], dtype=object),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ],
    ids=repr,
)
def test_arrays_come_back(value: Any) -> None:
    """An array keeps dtype, shape and elements, and may be written to."""
    other = back({"a": value})["a"]
    assert (other.dtype, other.shape) == (value.dtype, value.shape)
    assert other.tolist() == value.tolist()
    assert other.flags.writeable


FRAME = pd.DataFrame(
    {
        "i": [1, 2, 3],
        "f": [0.5, float("nan"), 2.0],
        "s": ["a", "b", None],
        "d": pd.date_range("2026-01-01", periods=3),
        "z": pd.date_range("2026-01-01", periods=3, tz="Europe/Berlin"),
        "c": pd.Categorical(["x", "y", "x"], categories=["y", "x"], ordered=True),
        "n": pd.array([1, None, 3], dtype="Int64"),
        "b": pd.array([True, None, False], dtype="boolean"),
        "o": pd.Series([(1,), {"k": 1}, None], dtype=object),
    },
    index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["k", None]),
)


def test_frames_come_back() -> None:
    """A DataFrame keeps values, dtypes, index and columns."""
    pd.testing.assert_frame_equal(back(FRAME), FRAME)
    for frame in (
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame([[1, "x"]], columns=["a", "a"], index=pd.date_range("2026-01-01", periods=1, freq="D")),
        FRAME.reset_index(drop=True).iloc[::2],
        pd.DataFrame({1: [1.0], ("t", 2): [2]}),
    ):
        pd.testing.assert_frame_equal(back(frame), frame)


def test_series_indexes_and_moments_come_back() -> None:
    """A Series, an Index, a Timestamp and the missing values of pandas keep what they are."""
    series = pd.Series([1.5, 2.5], index=["a", "b"], name=("n", 1))
    pd.testing.assert_series_equal(back(series), series)
    pd.testing.assert_index_equal(back(FRAME.index), FRAME.index)
    for moment in (pd.Timestamp("2026-01-01 10:00", tz="Asia/Tokyo"), pd.Timedelta("1s"), pd.Timestamp("2026-01-01")):
        assert back(moment) == moment
        assert type(back(moment)) is type(moment)
    assert back(pd.NaT) is pd.NaT
    assert back(pd.NA) is pd.NA


def test_a_frame_with_attrs_is_refused() -> None:
    """What of a frame would be lost makes it refused."""
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["source"] = "x"
    assert "attrs" in _refused(frame)


def _make(source: str) -> Any:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("from pydantic import BaseModel\nfrom dataclasses import dataclass\n" + source, space)
    return space["Cell"]


def test_a_class_defined_again_is_the_one_values_come_back_as() -> None:
    """After its cell ran again, a stored model is revived as the newest class; old instances change nothing."""
    first = _make("class Cell(BaseModel):\n    a: int")
    text = encode(first(a=1))
    second = remember(_make("class Cell(BaseModel):\n    a: int\n    b: int = 2"))
    encode(first(a=3))
    assert type(decode(text)) is second
    assert decode(text).b == 2


@pytest.mark.parametrize(
    "changed",
    [
        "class Cell(BaseModel):\n    a: int\n    b: int",
        "class Cell(BaseModel):\n    z: int = 0",
        "class Cell(BaseModel):\n    a: list",
        "@dataclass\nclass Cell:\n    a: int",
    ],
)
def test_a_class_that_changed_so_that_the_value_does_not_fit_is_unknown(
    changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stored value that does not fit its class any more is UnknownType, which a caller treats as a miss."""
    text = encode(_make("class Cell(BaseModel):\n    a: int")(a=1))
    monkeypatch.setattr(codec_types, "_newest", {})
    with pytest.raises(UnknownType, match="Cell"):
        decode(text, types_of(_make(changed)))


def test_a_class_nobody_named_is_never_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in the database is looked up among known classes only, even if it could be imported."""
    monkeypatch.setattr(codec_types, "_newest", {})
    for tag in ("model", "dataclass", "namedtuple", "enum"):
        body = ["polos_nb.messages:Usage", {}, None, None][: 4 if tag == "model" else 2]
        with pytest.raises(UnknownType):
            decode(orjson.dumps({f"${tag}": body}))
    text = encode(Item(name="a"))
    monkeypatch.setattr(codec_types, "_newest", {})
    assert decode(text, {"Item": Item}) == Item(name="a")
    assert "polos_nb.nowhere" not in sys.modules


@pytest.mark.parametrize("text", ["{", '{"$int":"x"}', '{"$new":1}', '{"$tuple":3}', '{"$np.array":["O",[1],"AAAA"]}'])
def test_damaged_text_is_a_codec_error(text: str) -> None:
    """Text that encode did not write gives CodecError, whatever is wrong with it."""
    with pytest.raises(CodecError):
        decode(text)


def test_types_of_collects_classes_of_annotations_and_values() -> None:
    """Classes are found in unions, containers, Annotated and fields, and in values."""

    class Outer(TypedDict):
        pair: Pair

    found = types_of(Optional[dict[str, list[Annotated[Box[Item], "x"]] | Outer | Literal[Color.RED]]])  # noqa: UP045
    assert {cls.__name__ for cls in found.values()} >= {"Box[Item]", "Item", "Pair"}
    assert set(types_of([{"a": Pair(Item(name="x"))}]).values()) == {Pair, Item}
    assert types_of(int) == types_of(None) == {}


def test_digests_do_not_depend_on_hash_seeds() -> None:
    """Sets and dicts have the same digest in processes with different PYTHONHASHSEED."""
    code = "from polos_nb.codec import digest; print(digest({'s': set('hello world'), 1: {'b': 1, 'a': (2,)}}))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_digests_tell_types_apart_and_ignore_modules() -> None:
    """1, 1.0, True and "1" differ, list and tuple differ; a class counts by its qualname only."""
    assert len({digest(value) for value in (1, 1.0, True, "1", [1], (1,), {1}, {"a": 1}, None)}) == 9
    one = _make("class Cell(BaseModel):\n    a: int")(a=1)
    moved = _make("__name__ = 'elsewhere'\nclass Cell(BaseModel):\n    a: int")(a=1)
    assert type(one).__module__ != type(moved).__module__
    assert digest(one) == digest(moved) != digest(_make("class Cell(BaseModel):\n    a: int")(a=2))
    assert digest({"p": {2, 1}, "q": (1,)}) == digest({"q": (1,), "p": {1, 2}})
    assert isinstance(canonical({"x": (1,)}), bytes)


def test_plain_forms_for_models_and_pages() -> None:
    """Everything that has an obvious JSON form gets it."""
    value = {
        "m": Visit.model_validate({"at": "2026-01-01T00:00:00Z", "link": "https://example.org/"}),
        "p": Pair((1, Decimal("1.5")), float("nan")),
        "s": {3, 1, 2},
        "b": b"\xff",
        "path": Path("/a"),
        "e": Color.RED,
        1: np.float32(0.5),
        "t": Point(1, 2),
    }
    assert to_plain(value) == {
        "m": {"at": "2026-01-01T00:00:00+00:00", "link": "https://example.org/"},
        "p": {"left": [1, "1.5"], "right": None},
        "s": [1, 2, 3],
        "b": "/w==",
        "path": "/a",
        "e": "red",
        "1": 0.5,
        "t": {"x": 1, "y": 2},
    }


class Report(BaseModel):
    words: list[str]
    table: Any = None
    internal: str = Field(default="hidden", exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def count(self) -> int:
        return len(self.words)

    @cached_property
    def costly(self) -> object:
        return object()


def test_plain_models_follow_their_own_serializers() -> None:
    """Excluded fields and cached properties stay out, computed fields are in, a root model is its root."""
    report = Report(words=["a"], table=pd.DataFrame({"a": [1]}))
    assert report.costly
    assert to_plain(report) == {
        "words": ["a"],
        "table": {"columns": ["a"], "rows": [[1]], "shape": [1, 1]},
        "count": 1,
    }
    assert to_plain(Names(["a"])) == ["a"]
    assert to_plain(Level.LOW) == 1


def test_plain_frames_are_cut_and_their_shape_told() -> None:
    """A long DataFrame becomes its first 50 rows with its whole shape."""
    plain = to_plain(pd.DataFrame({"a": range(60), "t": pd.Timestamp("2026-01-01")}))
    assert (plain["columns"], plain["shape"], len(plain["rows"])) == (["a", "t"], [60, 2], 50)
    assert plain["rows"][1] == [1, "2026-01-01T00:00:00"]
    assert to_plain(pd.Series([1.0, float("nan")])) == [1.0, None]


def test_tool_results_as_text() -> None:
    """A text is told as it is, anything else as JSON; what has no JSON form is refused."""
    assert to_text("plain") == "plain"
    assert orjson.loads(to_text({"a": (1, "ü")})) == {"a": [1, "ü"]}
    assert "s3cret" not in to_text(Account(user="u", password=SecretStr("s3cret")))
    with pytest.raises(CodecError, match="Handle"):
        to_text(Handle())


old_style = namedtuple("old_style", "a b")


def test_a_plain_namedtuple_comes_back() -> None:
    """collections.namedtuple works as NamedTuple does."""
    assert same(back(old_style(1, (2,))), old_style(1, (2,)))
