"""numpy and pandas values for the codec, without importing either until a stored one is read."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from typing import Any

MAX_BYTES = 32 * 1024 * 1024
_RAW_KINDS = "biufcmMUS"  # dtypes whose bytes are the whole value
_MASKED = frozenset(
    ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean"]
)
Code = Callable[[Any], Any]


def encode_array(value: Any, encode: Code) -> dict[str, Any]:
    """The tagged form of a numpy or pandas value; `encode` does the values inside. ValueError refuses it."""
    size = getattr(value, "nbytes", None)
    if size is None and hasattr(value, "memory_usage"):
        size = value.memory_usage(deep=False).sum()
    if isinstance(size, int) and size > MAX_BYTES:
        raise ValueError(f"{size / 2**20:.0f} MiB is more than the {MAX_BYTES // 2**20} MiB that a step may keep")
    root = type(value).__module__.partition(".")[0]
    return _encode_numpy(value, encode) if root == "numpy" else _encode_pandas(value, encode)


def decode_array(tag: str, body: Any, decode: Code) -> Any:
    """The value of a tag that `encode_array` wrote."""
    return _decode_numpy(tag, body, decode) if tag.startswith("$np.") else _decode_pandas(tag, body, decode)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _encode_numpy(value: Any, encode: Code) -> dict[str, Any]:
    np: Any = sys.modules["numpy"]
    if isinstance(value, np.generic):
        if value.dtype.kind == "U":
            return {"$np.str": encode(str(value))}
        if value.dtype.kind == "S":
            return {"$np.bytes": _base64(bytes(value))}
        if value.dtype.kind in _RAW_KINDS:
            return {"$np.scalar": [value.dtype.str, _base64(value.tobytes())]}
    elif type(value) is np.ndarray:
        shape = list(value.shape)
        if value.dtype.kind in _RAW_KINDS:
            return {"$np.array": [value.dtype.str, shape, _base64(value.tobytes())]}
        if value.dtype.kind == "O":
            return {"$np.objects": [shape, [encode(item) for item in value.ravel().tolist()]]}
    raise ValueError(f"a numpy {type(value).__name__} of dtype {getattr(value, 'dtype', '?')} has no lasting form")


def _decode_numpy(tag: str, body: Any, decode: Code) -> Any:
    import numpy as np  # noqa: PLC0415 - only where a numpy value was stored

    if tag == "$np.str":
        return np.str_(decode(body))
    if tag == "$np.bytes":
        return np.bytes_(base64.b64decode(body))
    if tag == "$np.objects":
        shape, items = body
        made: Any = np.empty(len(items), dtype=object)
        for n, item in enumerate(items):
            made[n] = decode(item)
        return made.reshape(shape)
    dtype = np.dtype(body[0])
    if dtype.kind not in _RAW_KINDS or tag not in ("$np.scalar", "$np.array"):
        raise ValueError(f"{tag} of dtype {dtype} is not one that is written")
    raw = base64.b64decode(body[-1])
    if tag == "$np.scalar":
        return np.frombuffer(raw, dtype=dtype)[0]
    if not raw:
        return np.zeros(body[1], dtype=dtype)
    return np.frombuffer(raw, dtype=dtype).reshape(body[1]).copy()


def _encode_pandas(value: Any, encode: Code) -> dict[str, Any]:
    pd: Any = sys.modules["pandas"]
    if value is pd.NaT or value is pd.NA:
        return {"$pd.missing": "NaT" if value is pd.NaT else "NA"}
    kind = type(value)
    if kind is pd.Timestamp:
        tree = {"$pd.timestamp": [encode(value.to_datetime64()), str(value.tz) if value.tz else None]}
    elif kind is pd.Timedelta:
        tree = {"$pd.timedelta": encode(value.to_timedelta64())}
    elif kind is pd.Series:
        tree = {"$pd.series": [_index(value.index, encode), _column(value, encode), encode(value.name), None]}
    elif kind is pd.DataFrame:
        columns = [_column(value.iloc[:, n], encode) for n in range(value.shape[1])]
        tree = {"$pd.frame": [_index(value.index, encode), _index(value.columns, encode), columns, None]}
    elif isinstance(value, pd.Index):
        tree = {"$pd.index": _index(value, encode)}
    else:
        raise ValueError(f"a pandas {kind.__name__} has no lasting form")
    return tree


def difference(value: Any, back: Any) -> str | None:
    """Why a decoded pandas value is not the one that was encoded; None when it is."""
    pd: Any = sys.modules["pandas"]
    if type(value) is not type(back):
        return f"it comes back as a {type(back).__name__}"
    if isinstance(value, (pd.DataFrame, pd.Series)):
        if why := difference(value.index, back.index):
            return f"its index does not come back equal: {why}"
        if value.attrs:
            return "its .attrs are not kept"
        if not value.equals(back):
            return "it does not come back equal"
        if isinstance(value, pd.Series):
            return None if value.dtype == back.dtype else f"its dtype {value.dtype} is not kept"
        if list(value.dtypes) != list(back.dtypes):
            return "its dtypes are not kept"
        return difference(value.columns, back.columns)
    if isinstance(value, pd.Index):
        same = value.equals(back) and value.dtype == back.dtype and list(value.names) == list(back.names)
        if getattr(value, "freq", None) != getattr(back, "freq", None):
            return "its freq is not kept"
        return None if same else f"an index of dtype {value.dtype} is not kept"
    if value is pd.NaT or value is pd.NA:
        return None
    same = value == back and value.unit == back.unit and str(getattr(value, "tz", "")) == str(getattr(back, "tz", ""))
    return None if same else "it does not come back equal"


def _index(index: Any, encode: Code) -> list[Any]:
    pd: Any = sys.modules["pandas"]
    if isinstance(index, pd.RangeIndex):
        return ["range", index.start, index.stop, index.step, encode(index.name)]
    if isinstance(index, pd.MultiIndex):
        levels = [_index(index.get_level_values(n), encode) for n in range(index.nlevels)]
        return ["multi", levels, encode(list(index.names))]
    freq = getattr(index, "freqstr", None)
    return ["plain", _column(index, encode), encode(index.name), freq]


def _column(values: Any, encode: Code) -> list[Any]:
    """The values of a Series or an Index, by what its dtype is."""
    pd: Any = sys.modules["pandas"]
    np: Any = sys.modules["numpy"]
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return ["numpy", _encode_numpy(np.asarray(values), encode)]
    index = pd.Index(values)
    if isinstance(dtype, pd.CategoricalDtype):
        codes = _encode_numpy(np.asarray(index.codes), encode)
        return ["category", codes, _index(dtype.categories, encode), bool(dtype.ordered)]
    if isinstance(dtype, pd.DatetimeTZDtype):
        return ["zoned", _encode_numpy(index.tz_convert(None).to_numpy(), encode), str(dtype.tz)]
    if str(dtype) in _MASKED or isinstance(dtype, pd.StringDtype):
        # One list for values and gaps: nan inside Float64 is refused by the check of the result.
        items = [None if item is pd.NA or item != item else item for item in values.tolist()]
        return ["listed", str(dtype), [encode(item) for item in items]]
    raise ValueError(f"a pandas column of dtype {dtype} has no lasting form")


def _decode_pandas(tag: str, body: Any, decode: Code) -> Any:
    import pandas as pd  # noqa: PLC0415 - only where a pandas value was stored

    if tag == "$pd.missing":
        return pd.NaT if body == "NaT" else pd.NA
    if tag == "$pd.timestamp":
        stamp = pd.Timestamp(decode(body[0]))
        return stamp if body[1] is None else stamp.tz_localize("UTC").tz_convert(body[1])
    if tag == "$pd.timedelta":
        return pd.Timedelta(decode(body))
    if tag == "$pd.index":
        return _revive_index(body, decode)
    if tag == "$pd.series":
        return pd.Series(_revive_column(body[1], decode), index=_revive_index(body[0], decode), name=decode(body[2]))
    if tag == "$pd.frame":
        index, columns = _revive_index(body[0], decode), _revive_index(body[1], decode)
        made = pd.DataFrame({n: _revive_column(c, decode) for n, c in enumerate(body[2])}, index=index)
        made.columns = columns
        return made
    raise ValueError(f"{tag} is not a tag that is written")


def _revive_index(body: list[Any], decode: Code) -> Any:
    import pandas as pd  # noqa: PLC0415

    if body[0] == "range":
        return pd.RangeIndex(body[1], body[2], body[3], name=decode(body[4]))
    if body[0] == "multi":
        return pd.MultiIndex.from_arrays([_revive_index(level, decode) for level in body[1]], names=decode(body[2]))
    values = _revive_column(body[1], decode)
    made = pd.Index(values, dtype=values.dtype, name=decode(body[2]))
    if body[3] is not None:
        made.freq = body[3]
    return made


def _revive_column(body: list[Any], decode: Code) -> Any:
    import pandas as pd  # noqa: PLC0415

    if body[0] == "numpy":
        return decode(body[1])
    if body[0] == "category":
        return pd.Categorical.from_codes(decode(body[1]), _revive_index(body[2], decode), ordered=body[3])
    if body[0] == "zoned":
        return pd.DatetimeIndex(decode(body[1])).tz_localize("UTC").tz_convert(body[2]).array
    return pd.array([decode(item) for item in body[2]], dtype=body[1])
