"""Finds API keys: in the environment, a .env file, the keyring of the system, Colab's secrets; or asks a person."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from polos_nb.models.providers import Key, Provider, base_url_for, get_provider, key_for
from polos_nb.redaction import remember

SERVICE = "polos_nb"  # in the keyring: `keyring set polos_nb openai`
_PATIENCE = 600.0  # seconds that a person has to type a key


def find_key(provider: Provider | str, *, colab: bool = False) -> Key | None:
    """The key of a provider and where it is from, looked for where nobody needs to be asked; None if it is nowhere.

    In this order: what a person typed, the environment, `.env`, the keyring. `colab`: its secrets as well, which only
    the main thread of a cell may ask for. What is found outside the environment is redacted everywhere from then on.
    """
    known = get_provider(provider) if isinstance(provider, str) else provider
    if not known.key_envs:
        return None
    typed = DESK.typed(known)
    found = (
        typed or key_for(known) or _from_file(known) or _from_keyring(known) or (_from_colab(known) if colab else None)
    )
    if found is not None and found.source != "environment":
        remember(found.env, found.value)
    return found


def find_base_url(provider: Provider, key: Key | None) -> str | None:
    """The base URL that the environment gives; that of `.env` only for a key from there.

    A file that came with somebody else's project must not lead a key of the environment to another server.
    """
    given = base_url_for(provider)
    if given != provider.base_url or key is None or key.source != ".env":
        return given
    values = _env_file()
    return next((values[name] for name in provider.base_envs if values.get(name)), given)


def _from_file(provider: Provider) -> Key | None:
    values = _env_file()
    return next((Key(name, values[name], ".env") for name in provider.key_envs if values.get(name)), None)


def _env_file() -> dict[str, str]:
    """What the nearest .env says: in the working directory, which is the notebook's, or above it in its project."""
    here = Path.cwd()
    folders = [here]
    for folder in (here, *here.parents):
        if (folder / ".git").exists() or (folder / ".polos").is_dir():
            folders = [here, *here.parents][: [here, *here.parents].index(folder) + 1]
            break
    path = next((folder / ".env" for folder in folders if (folder / ".env").is_file()), None)
    if path is None:
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 - most processes need no such file

    with contextlib.suppress(OSError, UnicodeDecodeError):
        return {name: value.strip() for name, value in dotenv_values(path, interpolate=False).items() if value}
    return {}


def _from_keyring(provider: Provider) -> Key | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    with contextlib.suppress(Exception):  # each system's keyring fails in its own way, and none of them is worth a run
        value = importlib.import_module("keyring").get_password(SERVICE, provider.name)
        if value and value.strip():
            return Key(provider.key_envs[0], value.strip(), "keyring")
    return None


def _from_colab(provider: Provider) -> Key | None:
    if "COLAB_RELEASE_TAG" not in os.environ:
        return None
    for name in provider.key_envs:
        with contextlib.suppress(Exception):  # one kind for a secret that is not there, another for no access to it
            userdata: Any = importlib.import_module("google.colab.userdata")
            if value := str(userdata.get(name) or "").strip():
                return Key(name, value, "Colab")
    return None


class _Asked:
    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.answered = threading.Event()


class Desk:
    """Where a call that needs a key waits until the cell that is running has asked for it.

    Calls are made on a thread of their own, and only the thread of the cell may ask. So the call waits here while the
    cell, which is `attended`, looks here often and serves. With no cell attended nobody is asked.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells = 0
        self._asked: list[_Asked] = []
        self._typed: dict[str, Key] = {}
        self._declined: set[str] = set()

    @contextlib.contextmanager
    def attended(self) -> Iterator[None]:
        """While a cell with a person in front of it runs and serves."""
        with self._lock:
            self._cells += 1
            self._declined.clear()
        try:
            yield
        finally:
            with self._lock:
                self._cells -= 1
                left, self._asked = ([], self._asked) if self._cells else (self._asked, [])
            for asked in left:
                asked.answered.set()

    def ask(self, provider: Provider) -> Key | None:
        """Wait for a person to type the key; None where nobody is there, or the person gave none."""
        with self._lock:
            if not self._cells or provider.name in self._declined:
                return self._typed.get(provider.name)
            asked = next((one for one in self._asked if one.provider is provider), None)
            if asked is None:
                asked = _Asked(provider)
                self._asked.append(asked)
        asked.answered.wait(_PATIENCE)
        return self.typed(provider)

    def serve(self, prompt: Callable[[str], str]) -> None:
        """Ask for what is waited for, with `prompt`, which shows nothing of what is typed."""
        while True:
            with self._lock:
                asked = self._asked[0] if self._asked else None
            if asked is None:
                return
            try:
                key = _from_colab(asked.provider)
                if key is not None:
                    self.keep(asked.provider, key)
                elif not self.request(asked.provider, prompt):
                    self._declined.add(asked.provider.name)
            finally:
                with self._lock:
                    self._asked = [one for one in self._asked if one is not asked]
                asked.answered.set()

    def request(self, provider: Provider, prompt: Callable[[str], str]) -> bool:
        """Ask a person for the key of a provider and keep it while this process lives; False if none was given."""
        value = prompt(f"{provider.title} API key (not shown, not saved; empty for none): ").strip()
        if value:
            self.keep(provider, Key(provider.key_envs[0], value, "typed"))
        return bool(value)

    def keep(self, provider: Provider, key: Key) -> None:
        """Use this key from now on."""
        remember(f"{key.env} of {key.source}", key.value)
        with self._lock:
            self._typed[provider.name] = key

    def typed(self, provider: Provider) -> Key | None:
        """The key that was typed, if any."""
        return self._typed.get(provider.name)

    def forget(self) -> None:
        """Drop all typed keys."""
        with self._lock:
            self._typed.clear()
            self._declined.clear()


DESK = Desk()
