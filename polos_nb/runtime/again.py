"""A run of the store as a call that can be driven again: what resuming by id and forking need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from polos_nb import registry
from polos_nb.agents import Agent
from polos_nb.codec import decode
from polos_nb.errors import ConfigurationError
from polos_nb.runtime.conversation import Place
from polos_nb.runtime.queues import lane_of
from polos_nb.runtime.targets import Target, agent_target, tool_target, workflow_target
from polos_nb.settings import Settings
from polos_nb.stores.base import RunRecord, Store
from polos_nb.tools import Tool
from polos_nb.workflows import Workflow


def target_of(run: RunRecord, settings: Settings, declared: Mapping[str, Any] | None = None) -> Target:
    """What a run drove, as it is declared now. `declared` are declarations by id that win over the registry's.

    Raises ConfigurationError when its workflow, agent or tool is not declared in this process.
    """
    found = (declared or {}).get(run.target_id) or registry.find(run.target_id, run.kind)
    if found is None:
        raise ConfigurationError(
            f"{run.kind} {run.target_id} of run {run.id} is not declared here; run the cell or import the module that"
            " declares it"
        )
    call = orjson.loads(run.options or "{}").get("call") or {}
    payload = decode(run.input)
    if isinstance(found, Agent):
        config = found.with_input(
            payload,
            conversation_id=run.conversation_id,
            user_id=call.get("user_id"),
            budget=call.get("budget"),
            **(call.get("params") or {}),
        )
        return agent_target(config, settings)
    if isinstance(found, Tool):
        return tool_target(found, payload, run.conversation_id, call.get("user_id"), False)
    assert isinstance(found, Workflow)
    state = None
    if call.get("state"):
        payload, state = payload["payload"], payload["state"]
    return workflow_target(
        found,
        payload,
        initial_state=state,
        conversation_id=run.conversation_id,
        user_id=call.get("user_id"),
        lane=lane_of(found.id, found.queue),
        budget=float(call["budget"]) if call.get("budget") else None,
    )


def place_again(run: RunRecord, store: Store) -> Place | None:
    """The place of a run in its conversation; None for a run that has none."""
    if run.conversation_id is None or run.turn is None:
        return None
    before: list[str] = []
    previous = run.previous
    while previous is not None and previous not in before:
        before.append(previous)
        found = store.get_run(previous)
        previous = found.previous if found is not None else None
    return Place(run.turn, tuple(reversed(before)))
