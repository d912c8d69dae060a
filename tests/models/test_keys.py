"""Where keys are found, in which order, who is asked, and that none of them is shown."""

from __future__ import annotations

import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest

from polos_nb.models.checking import usable
from polos_nb.models.keys import DESK, Desk, find_base_url, find_key
from polos_nb.models.providers import PROVIDERS, Key, get_provider
from polos_nb.redaction import redactor
from tests.loopback.routes import KEYS
from tests.loopback.server import StartProvider

pytest_plugins = ["tests.loopback.fixtures"]
OPENAI = get_provider("openai")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key anywhere, in a folder of its own."""
    for provider in PROVIDERS.values():
        for name in (*provider.key_envs, *provider.base_envs):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.chdir(tmp_path)
    DESK.forget()


def keyring_with(monkeypatch: pytest.MonkeyPatch, password: Any) -> None:
    module = types.ModuleType("keyring")
    module.__spec__ = types.SimpleNamespace(name="keyring")  # type: ignore[assignment]
    module.get_password = password  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)


def colab_with(monkeypatch: pytest.MonkeyPatch, get: Any) -> None:
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    module = types.ModuleType("google.colab.userdata")
    module.get = get  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab.userdata", module)


def test_the_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Colab, the keyring, .env, the environment: each wins over those before it, and what was typed over all."""
    assert find_key("openai") is None
    colab_with(monkeypatch, lambda name: {"OPENAI_API_KEY": "colab-secret-1"}.get(name))
    assert find_key("openai") is None  # only the thread of a cell may ask Colab
    assert find_key("openai", colab=True) == Key("OPENAI_API_KEY", "colab-secret-1", "Colab")
    keyring_with(monkeypatch, lambda service, user: {("polos_nb", "openai"): "ring-secret-1"}.get((service, user)))
    assert find_key("openai", colab=True) == Key("OPENAI_API_KEY", "ring-secret-1", "keyring")
    (tmp_path / ".env").write_text("# mine\nexport OPENAI_API_KEY='file-secret-1'\nOTHER=x\n")
    assert find_key("openai") == Key("OPENAI_API_KEY", "file-secret-1", ".env")
    monkeypatch.setenv("OPENAI_API_KEY", "env-secret-1")
    assert find_key("openai") == Key("OPENAI_API_KEY", "env-secret-1", "environment")
    DESK.request(OPENAI, lambda text: " typed-secret-1 ")
    assert find_key("openai") == Key("OPENAI_API_KEY", "typed-secret-1", "typed")
    for word in ("colab", "ring", "file", "env", "typed"):
        assert redactor().redact(f"say {word}-secret-1!") == "say [redacted]!"
    assert "secret" not in repr(find_key("openai")) + str(find_key("openai"))


def test_ollama_needs_none() -> None:
    """A provider without keys has none to look for."""
    assert find_key("ollama", colab=True) is None


def test_a_broken_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that fails, as one without a desktop does, counts as empty."""

    def fail(service: str, user: str) -> str:
        raise RuntimeError("No recommended backend was available")

    keyring_with(monkeypatch, fail)
    assert find_key("openai") is None


def test_colab_without_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is not there, or not for this notebook, counts as missing."""

    def fail(name: str) -> str:
        raise LookupError(name)

    colab_with(monkeypatch, fail)
    assert find_key("openai", colab=True) is None


def test_the_file_of_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A .env above the notebook counts up to the root of its project, and no further."""
    (tmp_path / ".env").write_text("OPENAI_API_KEY=outer-secret\n")
    inner = tmp_path / "project" / "notebooks"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert find_key("openai") is None
    (tmp_path / "project" / ".git").mkdir()
    assert find_key("openai") is None
    (tmp_path / "project" / ".env").write_text("OPENAI_API_KEY=project-secret\n")
    assert find_key("openai") == Key("OPENAI_API_KEY", "project-secret", ".env")


def test_a_file_never_leads_another_key_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The base URL of .env goes with the key of .env only, and never changes the environment."""
    (tmp_path / ".env").write_text("OPENAI_API_KEY=file-secret-2\nOPENAI_BASE_URL=http://elsewhere/v1\n")
    assert find_base_url(OPENAI, find_key("openai")) == "http://elsewhere/v1"
    assert find_base_url(OPENAI, None) is None
    monkeypatch.setenv("OPENAI_API_KEY", "env-secret-2")
    assert find_base_url(OPENAI, find_key("openai")) is None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://here/v1")
    assert find_base_url(OPENAI, Key("OPENAI_API_KEY", "x", ".env")) == "http://here/v1"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A .env that cannot be read counts as missing."""
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00OPENAI_API_KEY")
    assert find_key("openai") is None


def test_nobody_is_asked_when_nobody_is_there() -> None:
    """Without a cell that is attended a call goes on at once, with no key."""
    assert Desk().ask(OPENAI) is None


def test_the_cell_asks_for_what_calls_wait_for() -> None:
    """Two calls that need one key wait; the cell asks once, and both have it."""
    desk, prompts, got = Desk(), [], []  # type: ignore[var-annotated]

    def prompt(text: str) -> str:
        prompts.append(text)
        return "typed-secret-9"

    with desk.attended():
        calls = [threading.Thread(target=lambda: got.append(desk.ask(OPENAI))) for _ in range(2)]
        for call in calls:
            call.start()
        while any(call.is_alive() for call in calls):
            desk.serve(prompt)
    assert got == [Key("OPENAI_API_KEY", "typed-secret-9", "typed")] * 2
    assert len(prompts) == 1
    assert prompts[0].startswith("OpenAI API key")


@pytest.mark.parametrize("how", ["nothing typed", "Stop", "the cell ends"])
def test_a_person_may_decline(how: str) -> None:
    """A call whose key is not given goes on without one, and is not left waiting."""
    desk, got = Desk(), []  # type: ignore[var-annotated]

    def prompt(text: str) -> str:
        if how == "Stop":
            raise KeyboardInterrupt
        return ""

    call = threading.Thread(target=lambda: got.append(desk.ask(OPENAI)), daemon=True)
    with desk.attended():
        call.start()
        while how != "the cell ends" and call.is_alive():
            try:
                desk.serve(prompt)
            except KeyboardInterrupt:
                break
        while how == "the cell ends" and not desk._asked:
            pass
    call.join(10)
    assert got == [None]


def test_the_check(provider: StartProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each provider is asked by its own protocol, and says usable, refused, or that it is not there."""
    with provider([]):
        keys: dict[str, Key | None] = {name: find_key(name) for name in PROVIDERS}
        assert usable(keys) == dict.fromkeys(PROVIDERS, "usable")
        wrong = {name: Key("X", "wrong-key-000", "environment") for name in KEYS if name in PROVIDERS}
        answers = usable(wrong)  # type: ignore[arg-type]
        assert {answer.split(" (")[0] for answer in answers.values()} == {"key refused"}
        assert usable({"groq": None}) == {"groq": "no key"}
        monkeypatch.setenv("GROQ_API_BASE", "http://127.0.0.1:9/v1")
        assert usable({"groq": keys["groq"]}) == {"groq": "cannot be reached"}
        monkeypatch.delenv("AZURE_API_BASE")
        assert usable({"azure": keys["azure"]}) == {"azure": "no address: set AZURE_API_BASE"}
