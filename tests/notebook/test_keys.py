"""Keys in a notebook: which are there, which are taken, and how one is typed."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest

from polos_nb.models import litellm as transport
from polos_nb.models.keys import DESK
from tests.loopback.routes import KEYS, OPENAI_KEY
from tests.loopback.server import StartProvider, Turn

pytest_plugins = ["tests.loopback.fixtures"]
AGENT = "from polos_nb import Agent\nbot = Agent(id='bot', provider='openai', model='gpt-4o')"


@pytest.fixture(autouse=True)
def nothing_typed() -> None:
    """What other tests typed is forgotten."""
    DESK.forget()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompts that a person was shown, who types the right key of OpenAI."""
    prompts: list[str] = []

    def answer(prompt: str = "") -> str:
        prompts.append(prompt)
        return OPENAI_KEY

    monkeypatch.setattr(getpass, "getpass", answer)
    return prompts


def shown(ran: Any) -> str:
    """All that a cell shows of itself."""
    value = ran.value
    texts = [ran.out, ran.err, repr(value), *(str(display) for display in ran.displays)]
    return "".join([*texts, value._repr_html_() if hasattr(value, "_repr_html_") else ""])


def test_the_check_asks_each_provider(shell: Any, provider: StartProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """`%polos keys check` says which keys are taken and which are refused, without a character of any."""
    with provider([]) as server:
        monkeypatch.setenv("GROQ_API_KEY", "gsk_wrongwrongwrongwrong1")
        monkeypatch.delenv("TOGETHER_API_KEY")
        ran = shell.ok("%polos keys check")
        lines = {line.split()[0]: line for line in ran.out.splitlines() if line.strip()}
        one = shell.ok("%polos keys check openai").out
    assert lines["openai"].rstrip().endswith("usable")
    assert "key refused (401)" in lines["groq"]
    assert lines["together"].rstrip().endswith("no key")
    assert "usable" in one
    assert "groq" not in one
    assert not [key for key in [*KEYS.values(), "wrongwrong"] if key[:12] in shown(ran)]
    assert server.requests == []


def test_the_check_calls_nobody_unwatched(make_shell: Any) -> None:
    """Where nobody is watching nothing goes to the network, and nobody is asked."""
    shell = make_shell(watched=False)
    assert "nobody is watching" in str(shell.run("%polos keys check").error)
    assert "nobody is watching" in str(shell.run("%polos keys set openai").error)


def test_a_file_is_named_as_the_place(shell: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A key of .env next to the notebook is found, and the place is said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=tulips-and-clogs-2\n")
    ran = shell.ok("%polos keys")
    assert "set (OPENAI_API_KEY, .env)" in ran.out
    assert "tulips" not in shown(ran)


def test_a_key_is_typed_once(
    shell: Any, provider: StartProvider, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`%polos keys set` asks without showing, and calls use the key from then on; a typo names the providers."""
    with provider([Turn(text="Hello.")]):
        monkeypatch.delenv("OPENAI_API_KEY")
        ran = shell.ok("%polos keys set openai")
        assert "set (OPENAI_API_KEY, typed)" in ran.out
        assert OPENAI_KEY not in shown(ran)
        assert shell.ok("%polos keys check openai").out.rstrip().endswith("usable")
    assert len(typed) == 1
    assert "openai" in str(shell.run("%polos keys set ollama").error)
    DESK.forget()


def test_a_run_asks_for_the_key_that_it_lacks(
    shell: Any, provider: StartProvider, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call asks, the run goes on with what was typed, and an answer from the store asks nobody."""
    transport.load()
    with provider([Turn(text="Hello there.")]) as server:
        monkeypatch.delenv("OPENAI_API_KEY")
        shell.ok("%config PolosMagics.mode = 'live'")
        shell.ok(AGENT)
        ran = shell.ok("%%polos_run bot --as answer\nHi")
        assert shell.ns["answer"].result == "Hello there."
        assert len(typed) == 1
        assert OPENAI_KEY not in shown(ran)
        DESK.forget()
        shell.ok("%%polos_run bot --as answer\nHi")
    assert shell.ns["answer"].cached
    assert len(typed) == 1
    assert len(server.requests) == 1


def test_nothing_typed_is_an_error_with_the_ways(
    shell: Any, provider: StartProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who types nothing reads where a key can be put."""
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": "")
    with provider([]):
        monkeypatch.delenv("OPENAI_API_KEY")
        shell.ok("%config PolosMagics.mode = 'live'")
        shell.ok(AGENT)
        said = str(shell.run("%%polos_run bot\nHi").error)
    assert "%polos keys set openai" in said
    assert ".env" in said
