"""`%polos models`, `keys` and `config`: what a notebook can use, and which settings are in effect."""

from __future__ import annotations

import getpass
import os
from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.models.checking import usable
from polos_nb.models.keys import DESK, find_key
from polos_nb.models.prices import known_models
from polos_nb.models.providers import PROVIDERS, Key, Provider, get_provider
from polos_nb.notebook.arguments import Namespace, Parser, did_you_mean
from polos_nb.notebook.kernel_compat import click_support
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown


def _models_parser() -> Parser:
    parser = Parser("%polos models", description="Models to write behind -m; others work as well.")
    parser.add_argument("provider", nargs="?", metavar="PROVIDER", help="only this provider's")
    return parser


MODELS = _models_parser()
KEYS = Parser("%polos keys", description="Which providers have a key, and where. No character of a key is shown.")
KEYS.add_argument(
    "action",
    nargs="?",
    choices=("check", "set"),
    help="check: ask each provider whether it takes its key, which costs nothing; set: type one, kept in memory",
)
KEYS.add_argument("provider", nargs="?", metavar="PROVIDER", help="only this one")
CONFIG = Parser("%polos config", description="The settings in effect, and where they come from.")


def models(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos models`."""
    known = {**known_models(), "demo": ["demo/demo"]}
    if given.provider and given.provider not in known:
        raise ConfigurationError(f"there is no provider {given.provider}{did_you_mean(given.provider, list(known))}")
    chosen = [given.provider] if given.provider else list(known)
    rows = [(provider, model) for provider in chosen for model in known[provider]]
    return Shown("", ("provider", "-m"), rows, note="Any other model of a provider can be written the same way.")


def keys(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos keys`, `%polos keys check`, `%polos keys set PROVIDER`."""
    chosen = {given.provider: get_provider(given.provider)} if given.provider else PROVIDERS
    if given.action == "set":
        _set_key(session, given.provider)
    found = {name: find_key(provider, colab=True) for name, provider in chosen.items()}
    held = [(name, _held(provider, found[name])) for name, provider in chosen.items()]
    if given.action != "check":
        return Shown("", ("provider", "key"), [*held, *([] if given.provider else [("demo", "no key needed")])])
    if not session.watched and not session.settings.allow_live:
        raise ConfigurationError("%polos keys check calls the providers, and nobody is watching; %polos keys does not")
    answers = usable(found)
    rows = [(name, state, answers[name]) for name, state in held]
    return Shown("", ("provider", "key", "answer"), rows)


def _held(provider: Provider, key: Key | None) -> str:
    if not provider.key_envs:
        return "no key needed"
    if key is None:
        return f"not set: {' or '.join(provider.key_envs[:2])}"
    return f"set ({key.env})" if key.source == "environment" else f"set ({key.env}, {key.source})"


def _set_key(session: NotebookSession, name: str | None) -> None:
    """Ask for a key. Raises ConfigurationError where that is impossible."""
    if not name or not get_provider(name).key_envs:
        named = ", ".join(provider.name for provider in PROVIDERS.values() if provider.key_envs)
        raise ConfigurationError(f"%polos keys set needs a provider that has keys: {named}")
    if not session.watched:
        raise ConfigurationError("%polos keys set asks for a key, and nobody is watching; set it in the environment")
    DESK.request(get_provider(name), getpass.getpass)


def config(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos config`."""
    settings, runtime = session.settings, session.runtime
    store = "cassettes" if runtime.mode == "replay" else settings.store_path()
    cassette = session.cassette_path()
    rows = [
        ("mode", runtime.mode, _origin(options.mode, "", "POLOS_NB_MODE")),
        ("store", store, _origin(None, None, "POLOS_NB_STORE")),
        ("cache", runtime.settings.cache, _origin(options.cache, True, "POLOS_NB_CACHE")),
        (
            "cassette",
            cassette or ", ".join(p.name for p in runtime.cassettes),
            _origin(None, None, "POLOS_NB_CASSETTE"),
        ),
        (
            "render",
            settings.render or options.render,
            _origin(options.render, "auto", "POLOS_NB_RENDER", env_first=True),
        ),
        ("approvals", _approvals(session), _origin(options.approval_mode, "auto", "")),
        ("model", options.model or "none", _origin(options.model, "", "")),
        (
            "budget",
            _amount(runtime.settings.budget),
            _origin(options.budget, None, "POLOS_NB_BUDGET"),
        ),
        ("interpolation", options.interpolation, _origin(options.interpolation, "double", "")),
        ("max_steps", settings.max_steps, _origin(None, None, "POLOS_AGENT_MAX_STEPS")),
        ("retry_delay", settings.retry_delay, _origin(None, None, "POLOS_NB_RETRY_DELAY")),
        ("live calls unwatched", settings.allow_live, _origin(None, None, "POLOS_NB_ALLOW_LIVE")),
        ("somebody is watching", session.watched, ""),
    ]
    return Shown("", ("setting", "value", "from"), rows, note="Change with %config PolosMagics.NAME = value.")


def _amount(budget: float | None) -> str:
    return "none" if budget is None else f"${budget:.2f} a run"


def _approvals(session: NotebookSession) -> str:
    """Which of the two ways to answer is in effect, and why."""
    asked = session.options.approval_mode
    mode, why = click_support(session.ip)
    return f"{mode}: {why}" if asked == "auto" else f"{asked}: as configured"


def _origin(trait: Any, default: Any, variable: str, *, env_first: bool = False) -> str:
    from_environment = bool(variable and os.environ.get(variable))
    if env_first and from_environment:
        return variable
    if trait != default:
        return "%config"
    return variable if from_environment else "default"
