"""What is made of the exceptions that the loopback provider cannot cause."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from polos_nb.errors import ModelError, ModelUnavailable
from polos_nb.messages import Message
from polos_nb.models.base import ModelRequest
from polos_nb.models.failures import explain, retry_after
from polos_nb.models.providers import get_provider

REQUEST = ModelRequest(
    provider="groq", model="llama", messages=[Message(role="user", content="Hi")], api_key="abcdefgh99"
)


class ApiStatus(Exception):
    """An exception of the client library with what such exceptions carry."""

    def __init__(self, message: str, status_code: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.litellm_response_headers = headers


def said(error: BaseException) -> ModelError:
    return explain(error, REQUEST, get_provider("groq"), None)


def test_a_broken_litellm_is_named() -> None:
    """A version of litellm that lacks a module of its own is told apart from a provider's failure."""
    error = ApiStatus("litellm.APIConnectionError: No module named 'mcp'", 500)
    error.__cause__ = ModuleNotFoundError("No module named 'mcp'")
    reason = "the installed litellm cannot call llama on Groq (No module named 'mcp')"
    assert str(said(error)) == f"{reason}: install another version of it"
    assert not isinstance(said(error), ModelUnavailable)


def test_the_key_of_the_request_is_redacted() -> None:
    """The request's own key is taken out, whatever shape it has."""
    assert "abcdefgh99" not in str(said(ApiStatus("who is abcdefgh99?", 400)))


def test_a_long_message_is_cut() -> None:
    """A page of HTML from a gateway becomes one line of bounded length."""
    text = str(said(ApiStatus("<html>\n" + "nothing here " * 500, 502)))
    assert len(text) < 450
    assert "\n" not in text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """The wait that a provider asks for is read in all its spellings."""
    assert retry_after([ApiStatus("slow down", 429, headers)]) == seconds


def test_retry_after_as_a_date() -> None:
    """A date is a wait from now, and a date in the past is no wait."""
    soon = retry_after([ApiStatus("slow", 429, {"retry-after": formatdate(time.time() + 100, usegmt=True)})])
    assert soon is not None
    assert 0 < soon <= 100
    assert retry_after([ApiStatus("slow", 429, {"retry-after": formatdate(0, usegmt=True)})]) == 0
