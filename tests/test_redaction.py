"""Secrets go, ordinary text stays, JSON stays JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import string
import uuid
from urllib.parse import quote

import pytest

from polos_nb import redaction
from polos_nb.redaction import Redactor, redactor

_random = random.Random(7)
BODY = "a1" + "".join(_random.choice(string.ascii_letters + string.digits) for _ in range(60))
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nabc+/def==\n-----END RSA PRIVATE KEY-----"
# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "sk-" + BODY[:48]: "OpenAI key",
    "sk-" + "proj-" + BODY[:20] + "-" + BODY[20:40]: "OpenAI key",
    "sk-" + "ant-api03-" + BODY: "Anthropic key",
    "AIza" + "Sy" + BODY[:33]: "Google key",
    "gsk_" + BODY[:52]: "Groq key",
    "fw_" + BODY[:24]: "Fireworks key",
    "xox" + "b-123456789012-" + BODY[:24]: "Slack token",
    "xapp" + "-1-A012345-" + BODY: "Slack token",
    "gh" + "p_" + BODY[:36]: "GitHub token",
    "github" + "_pat_" + BODY[:22] + "_" + BODY[:30]: "GitHub token",
    "AKIA" + "ABCDEFGH12345678": "AWS key",
    "Bearer " + BODY[:40]: "bearer token",
    "eyJ" + BODY[:20] + ".eyJ" + BODY[:30] + "." + BODY[:43]: "JSON web token",
    "e2b_" + hashlib.sha1(b"x").hexdigest(): "E2B key",
    PEM: "private key",
}


@pytest.mark.parametrize(("secret", "shape"), SECRETS.items(), ids=list(SECRETS.values()))
@pytest.mark.parametrize("frame", ["{}", "key={}&x=1", "say '{}'.", "\n{}\n", "URL/{}", '"{}"', "({})"])
def test_known_shapes_are_found_wherever_they_stand(secret: str, shape: str, frame: str) -> None:
    """Nothing of the secret stays, what is around it does, and the shape is named."""
    text = frame.replace("{}", secret)
    assert Redactor({}).redact(text) == frame.replace("{}", "[redacted]")
    assert Redactor({}).find(text) == [shape]


@pytest.mark.parametrize("secret", SECRETS, ids=list(SECRETS.values()))
@pytest.mark.parametrize("before", ["", "\n", "\t", "é", "x "])
def test_shapes_are_found_inside_json(secret: str, before: str) -> None:
    """Also right after an escape, and in JSON inside JSON; what remains is valid JSON."""
    once = json.dumps({"a": f'{before}{secret}"', "b": [1]})
    for text in (once, json.dumps([once])):
        redacted = Redactor({}).redact(text)
        json.loads(redacted)
        assert "[redacted]" in redacted
        assert secret[-12:] not in redacted
        assert secret[8:20] not in redacted


@pytest.mark.parametrize(
    "text",
    [
        hashlib.sha256(b"x").hexdigest(),
        str(uuid.UUID(int=2**127 + 12345)),
        base64.b64encode(_random.randbytes(60_000)).decode(),
        "sk-learn, scikit-learn, task-1234, risk-assessment-2024-for-all-of-us, desk-" + BODY,
        "The bearer of good news; Bearer authentication is used, basic auth too.",
        "fw_ gsk_ ghp_ AKIA xoxo xox- eyJ AIza e2b_ sk- sk-ant-",
        "get_weather_for_city_and_date, firmware_fw_update_the_thing_now",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "2026-11-21T04:00:28Z 10.0.0.1 v1.2.3 1234567890 r12 3.get_weather[call_2] call_" + BODY[:24],
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Hashes, ids, images and words are not secrets."""
    assert Redactor({"HOME": "/home/ada"}).find(text) == []
    assert Redactor({}).redact(text) == text


@pytest.mark.parametrize(
    "value", ["tulips-and-clogs", 'q"uo\\te\\', "line one\nline two", "päss wörd/+&", "12345678", '","x":"y']
)
def test_values_of_the_environment_go_in_every_form(value: str) -> None:
    """As it is, in JSON of both kinds, twice in JSON, in a URL; and JSON stays JSON."""
    one = Redactor({"MY_api_KEY": value})
    assert one.redact(f"a {value} b") == "a [redacted] b"
    assert one.find(f"a {value} b") == ["MY_api_KEY"]
    assert one.redact(f"http://h/?k={quote(value, safe='')}") == "http://h/?k=[redacted]"
    for ascii_only in (True, False):
        text = json.dumps({"a": [f"x{value}y"]}, ensure_ascii=ascii_only)
        assert json.loads(one.redact(text)) == {"a": ["x[redacted]y"]}
        assert json.loads(json.loads(one.redact(json.dumps(text)))) == {"a": ["x[redacted]y"]}


def test_json_stays_json_whatever_is_taken_out() -> None:
    """Numbers, and values that look like syntax, are taken out with their quotes put back."""
    one = Redactor({"A_TOKEN": "12345678", "B_SECRET": '{"private": "thing"}', "C_KEY": "ends-in\\"})
    assert json.loads(one.redact('{"n": 12345678, "m": [1]}')) == {"n": "[redacted]", "m": [1]}
    assert "thing" not in one.redact('[{"private": "thing"}]')
    for text in ('[{"private": "thing"}]', json.dumps(['ends-in"'])):
        json.loads(one.redact(text))


def test_what_is_no_secret_in_the_environment() -> None:
    """Short values, common words, counts and variables of other names."""
    one = Redactor({"A_KEY": "short", "B_TOKEN": "disabled", "MAX_TOKENS": "10000000", "PATH_X": "tulips-and-clogs"})
    text = "short disabled 10000000 tulips-and-clogs"
    assert one.redact(text) == text


def test_no_part_of_overlapping_secrets_stays() -> None:
    """A value that a shape covers only in part, and values inside one another, go whole."""
    value = BODY[:20] + ":tail$of$it"
    one = Redactor({"A_TOKEN": value, "B_TOKEN": value[:12]})
    assert one.redact(f"Authorization: Bearer {value}, next") == "Authorization: [redacted], next"
    assert one.find(f"Bearer {value}") == ["A_TOKEN", "bearer token"]


def test_the_redactor_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same one until a variable that matters changes."""
    first = redactor()
    monkeypatch.setenv("ORDINARY_THING", "tulips-and-clogs")
    assert redactor() is first
    monkeypatch.setenv("CITY_SECRET", "tulips-and-clogs")
    assert redactor().redact("tulips-and-clogs") == "[redacted]"
    monkeypatch.delenv("CITY_SECRET")
    assert redactor().redact("tulips-and-clogs") == "tulips-and-clogs"


@pytest.mark.parametrize(("name", "literal", "pattern"), redaction._SHAPES)
def test_every_shape_is_looked_for_by_its_literal(name: str, literal: str, pattern: str) -> None:
    """A text is only searched for keys where a literal is; no shape can match without its own."""
    assert pattern.startswith(literal)
    assert re.escape(literal).replace("\\-", "-").replace("\\ ", " ") == literal  # nothing in it means something else
    assert "|" not in re.sub(r"\(.*\)", "", pattern, flags=re.DOTALL)  # no alternative that begins otherwise
    assert redaction._may_have_a_key(f"before {literal} after")
    assert literal in redaction._BY_CHARACTER[redaction._rarest(literal)]
    assert redaction._rarest(literal) in literal
