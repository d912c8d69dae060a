"""`{{ expr }}` in prompts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.interpolate import interpolate, strip_markers


class Person(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("In {{ city }}.", "In Paris."),
        ("{{city}} and {{ city.upper() }}", "Paris and PARIS"),
        ("{{ {'a': {'b': 1}}['a'] }}", '{"b": 1}'),
        ("{{ [c for c in city if c > 'm'] }}", '["r", "s"]'),
        ("{{ len(city) }}", "5"),
        ("{{ person }}", '{"name": "Ada"}'),
        (r"\{{ city }} {city} {", "{{ city }} {city} {"),
        (r"$\frac{a}{b}$ {\"a\": 1} }} {{", r"$\frac{a}{b}$ {\"a\": 1} }} {{"),
        ("{{}} {{ }}", "{{}} {{ }}"),
        ("a {{\ncity }}", "a {{\ncity }}"),
    ],
)
def test_expressions_are_replaced_and_all_else_stays(text: str, expected: str) -> None:
    """Double braces around an expression are its value; escapes, single braces and open ones are text."""
    names = {"city": "Paris", "person": Person(name="Ada")}
    assert interpolate(text, names).text == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("One\nIn {{ town }}", ["line 2", "{{ town }}", "town is not defined"]),
        ("{{ a b }}", ["line 1", "not a Python expression"]),
        ("{{ 1 / 0 }}", ["line 1", "ZeroDivisionError"]),
        ("{{ key }}", ["secret"]),
    ],
)
def test_what_cannot_be_put_in_is_named_with_its_line(text: str, words: list[str]) -> None:
    """An undefined name, a broken or failing expression and a secret are refused in one line."""
    with pytest.raises(ConfigurationError) as caught:
        interpolate(text, {"key": SecretStr("hunter2-hunter2")})
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_secret_of_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a secret-looking variable does not go into a prompt, not even inside a longer text."""
    monkeypatch.setenv("CITY_API_KEY", "tulips-and-clogs-1")
    with pytest.raises(ConfigurationError, match="CITY_API_KEY") as caught:
        interpolate("{{ 'key: ' + key }}", {"key": "tulips-and-clogs-1"})
    assert "tulips" not in str(caught.value)


def test_frames_and_arrays_are_summarised_unless_asked_whole() -> None:
    """A large frame is its shape, columns and first rows; `:full` puts all of it in."""
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    names: dict[str, Any] = {"df": pandas.DataFrame({"n": range(100)}), "a": numpy.arange(1000).reshape(10, 100)}
    said = interpolate("{{ df }}", names)
    assert "100 × 1" in said.text
    assert "99" not in said.text
    assert said.echo == {"df": "DataFrame[100×1]"}
    assert "99" in interpolate("{{ df:full }}", names).text
    assert "10 × 100" in interpolate("{{ a }}", names).text


def test_the_echo_names_what_was_put_in() -> None:
    """Expressions are listed with short values."""
    assert interpolate("{{ a }} {{ b }}", {"a": "x" * 100, "b": 2}).echo == {"a": "'" + "x" * 58 + "…", "b": "2"}


def test_nbval_markers_at_the_top_are_not_part_of_the_prompt() -> None:
    """`# NBVAL_...` lines above a prompt are for nbval; other lines that start with # are kept."""
    assert strip_markers("# NBVAL_IGNORE_OUTPUT\n# Title\nHi") == "# Title\nHi"
