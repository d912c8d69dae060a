"""What the environment says: where the store is, which mode runs are in, how long to wait. Read when it is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from polos_nb.errors import ConfigurationError

Mode = Literal["live", "record", "replay", "offline"]

MEMORY = ":memory:"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a process.

    `store` is a path, ":memory:", or None for `.polos/steps.db`, found upwards from the working directory like
    `.git`. `mode` None means: decide by who is watching. `retry_delay` is the first wait between attempts, in
    seconds. `max_steps` limits an agent that has no `max_steps` condition of its own. `budget` is what a run that names
    none may cost, in US dollars.
    """

    store: str | None = None
    mode: Mode | None = None
    allow_live: bool = False
    cache: bool = True
    cassette: str | None = None
    render: str | None = None
    retry_delay: float = 1.0
    max_steps: int = 10
    budget: float | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the `POLOS_NB_*` variables. Raises ConfigurationError for a value that cannot be used."""
        env = os.environ if environ is None else environ
        mode = env.get("POLOS_NB_MODE") or None
        if mode is not None and mode not in get_args(Mode):
            raise ConfigurationError(f"POLOS_NB_MODE={mode!r} is not a mode; use one of: {', '.join(get_args(Mode))}")
        return cls(
            store=env.get("POLOS_NB_STORE") or None,
            mode=cast("Mode | None", mode),
            allow_live=_flag(env, "POLOS_NB_ALLOW_LIVE", False),
            cache=_flag(env, "POLOS_NB_CACHE", True),
            cassette=env.get("POLOS_NB_CASSETTE") or None,
            render=env.get("POLOS_NB_RENDER") or None,
            retry_delay=_number(env, "POLOS_NB_RETRY_DELAY", 1.0),
            max_steps=int(_number(env, "POLOS_AGENT_MAX_STEPS", 10)),
            budget=as_budget(env.get("POLOS_NB_BUDGET"), "POLOS_NB_BUDGET"),
        )

    def store_path(self, start: Path | None = None) -> str:
        """Where the step store is: the setting, else the nearest `.polos` upwards, else a new one in `start`."""
        if self.store:
            return self.store if self.store == MEMORY else str(Path(self.store).expanduser().absolute())
        here = (start or Path.cwd()).absolute()
        home = Path.home()
        for folder in (here, *here.parents):
            if folder == home and folder != here:
                break  # a store in the home directory is not this project's
            if (folder / ".polos").is_dir():
                return str(folder / ".polos" / "steps.db")
        return str(here / ".polos" / "steps.db")


def as_budget(value: Any, where: str) -> float | None:
    """A budget in US dollars. Raises ConfigurationError for what is none.

    >>> as_budget("0.5", "--budget")
    0.5
    """
    if value is None or value == "":
        return None
    try:
        amount = float(str(value).removeprefix("$"))
    except ValueError:
        amount = -1.0
    if isinstance(value, bool) or not 0 <= amount < float("inf"):
        raise ConfigurationError(f"{where}: {value!r} is no budget; write an amount of US dollars, such as 0.50")
    return amount


def _flag(env: Mapping[str, str], name: str, default: bool) -> bool:
    text = env.get(name, "").strip().lower()
    if not text:
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise ConfigurationError(f"{name}={text!r} is neither yes nor no; use 1 or 0")


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 0:
        raise ConfigurationError(f"{name}={text!r} is not a number of zero or more")
    return value
