"""Values as a model reads them: any value that can be kept has a plain form, the same in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import pytest

from polos_nb.codec import to_plain, to_text


class Word(StrEnum):
    YES = "yes"


class Level(IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.str_("ü"), "ü"),
        (type("Text", (str,), {})("x"), "x"),
        (type("Number", (int,), {})(3), 3),
        (Word.YES, "yes"),
        (Level.LOW, 1),
        (True, True),
        ({1, 2}, [1, 2]),
        ({3, 1.5}, [1.5, 3]),
        ({0, Decimal("NaN")}, ["NaN", 0]),
        ({0.0, float("nan")}, [0.0, None]),
        ({"b", 1, None}, ["b", 1, None]),
        (2**70, 2**70),
        (10**5000, hex(10**5000)),
        (-(10**5000), hex(-(10**5000))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_has_a_plain_form(value: Any, plain: Any) -> None:
    """Subclasses become what they are a kind of, sets are lists whatever is in them, endless numbers are texts."""
    told = to_plain(value)
    assert told == plain
    assert type(told) is type(plain)
    assert json.loads(to_text([value])) == [plain]


def test_sets_are_told_in_the_same_order_by_every_process() -> None:
    """Sets whose items have only a partial order, or none, do not show the order of their hashes."""
    code = (
        "from polos_nb.codec import to_text; a = {frozenset(w) for w in ('ab', 'cd', 'ef', 'gh')};"
        "print(to_text([a, {1, 'a', None, (2,), 'b'}, {float('nan'), 2.0, 1.0}]))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(1, 5)
    }
    assert len(told) == 1
