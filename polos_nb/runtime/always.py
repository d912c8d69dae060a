"""Rules "always approve this": which hold in a run, which calls they cover, how they are taken back.

A rule is nothing but an answer that says so: it lives as long as the decision that it was given with, in the outermost
run, and another process finds it there. Taking it back is an event on a topic of the run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from polos_nb.codec import canonical, digest
from polos_nb.errors import ConfigurationError
from polos_nb.safe_text import brief, value_text, visible
from polos_nb.stores.base import Store
from polos_nb.stores.waiting import DecisionRecord, EventRecord

SCOPES = ("tool", "same")
_ALL = 1_000_000
_APPROVED = '{"approved": true}'


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Calls of `tool` are approved without asking; only those with exactly `arguments`, where these are given.

    `step` is the path of the call that it was given with, by whom and when (seconds since 1970). It holds for the
    tool as it was then: another version of it is asked for again.
    """

    id: str
    tool: str
    arguments: dict[str, Any] | None = None
    step: str = ""
    by: str = ""
    at: float = 0.0
    version: str = field(default="", repr=False)
    call: str = field(default="", repr=False)  # the digest of the arguments; "" for any

    @property
    def text(self) -> str:
        """What it covers, in words."""
        if self.arguments is None:
            return visible(f"every call of {self.tool} in this run")
        return visible(f"calls of {self.tool} with exactly {brief(value_text(self.arguments), 200)} in this run")

    @property
    def name(self) -> str:
        """Who is named as the one that decides, where this rule does."""
        return f"always ({', '.join(part for part in (self.by, self.step) if part)})"

    def covers(self, call: Mapping[str, Any]) -> bool:
        """Whether a call, as `call_facts` describes it, needs no asking."""
        same = self.call in ("", call.get("arguments"))
        return (self.tool, self.version) == (call.get("tool"), call.get("version")) and same


def call_facts(tool_id: str, version: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """What a question keeps of a call, so that rules know it: without its arguments, which may hold secrets."""
    return {"tool": tool_id, "version": version, "arguments": _mark(arguments)}


def alike(a: Any, b: Any) -> bool:
    """Whether two arguments are the same JSON: a page says 5 where Python says 5.0.

    >>> alike({"amount": 5.0}, {"amount": 5})
    True
    """
    return canonical(_plain_numbers(a)) == canonical(_plain_numbers(b))


def rules(store: Store, run_id: str) -> list[Rule]:
    """The rules that hold in a run, oldest first: those of the outermost run around it."""
    outermost = _outermost(store, run_id)
    given = store.decisions(run_id=outermost, status="answered", limit=_ALL)
    found = [rule for decision in given if (rule := _rule(decision)) is not None]
    if not found:
        return []
    gone = {orjson.loads(event.data).get("rule") for event in store.read_topic(_topic(outermost), limit=_ALL)}
    return [rule for rule in found if rule.id not in gone]


def revoke(store: Store, run_id: str, rule_id: str) -> Rule:
    """Take a rule back: the next call asks again; what it approved stays approved. Returns the rule.

    Raises ConfigurationError where no such rule holds.
    """
    outermost = _outermost(store, run_id)
    holding = rules(store, outermost)
    for rule in holding:
        if rule.id == str(rule_id):
            data = orjson.dumps({"rule": rule.id}).decode()
            topic = _topic(outermost)
            event = EventRecord(topic=topic, event_type="revoked", data=data, run_id=outermost, created_at=time.time())
            store.publish([event])
            return rule
    known = ", ".join(rule.id for rule in holding) or "none"
    raise ConfigurationError(f"run {outermost} has no rule {rule_id}; it has {known}")


def settled(store: Store, decision: DecisionRecord) -> DecisionRecord:
    """A decision of a run as it is after the run's rules: answered where one of them covers it."""
    held = rules(store, decision.run_id)
    _settle(store, decision, held)
    return (store.get_decision(decision.id) or decision) if held else decision


def spread(store: Store, run_id: str) -> int:
    """Answer all calls that wait and that a rule covers: one click is enough for calls beside each other.

    Returns how many there were.
    """
    held = rules(store, run_id)
    waiting = store.decisions(run_id=_outermost(store, run_id), status="waiting", limit=_ALL) if held else []
    return sum(_settle(store, decision, held) for decision in waiting)


def _settle(store: Store, decision: DecisionRecord, held: list[Rule]) -> bool:
    if decision.kind != "approval" or decision.status != "waiting" or not held:
        return False
    call = _call_of(decision)
    rule = next((rule for rule in held if rule.covers(call)), None)
    return rule is not None and store.decide(decision.id, answer=_APPROVED, decided_by=rule.name)


def _rule(decision: DecisionRecord) -> Rule | None:
    """The rule that a decision makes, if it makes one."""
    if decision.kind != "approval" or '"allow_always"' not in (decision.answer or ""):
        return None
    answer = orjson.loads(decision.answer or "null")
    call = _call_of(decision)
    scope = answer.get("allow_always") if isinstance(answer, dict) and answer.get("approved") is True else None
    if scope not in (True, *SCOPES) or not call:
        return None
    about: dict[str, Any] = {}
    if scope == "same":
        edited = answer.get("arguments")
        shown = orjson.loads(decision.form).get("_form", {}).get("context", {}).get("input")
        about = {"arguments": shown, "call": call["arguments"]}
        if isinstance(edited, dict):  # what the person has seen and approved are the arguments as they changed them
            about = {"arguments": edited, "call": _mark(edited)}
    return Rule(
        id=str(decision.id),
        tool=call["tool"],
        step=decision.step_key,
        by=decision.decided_by or "",
        at=decision.decided_at or 0.0,
        version=call["version"],
        **about,
    )


def _call_of(decision: DecisionRecord) -> dict[str, Any]:
    """What a question keeps of its call; {} for one that was asked before there were rules."""
    form = orjson.loads(decision.form or "{}")
    call = form.get("_call") if isinstance(form, dict) else None
    return call if isinstance(call, dict) and {"tool", "version", "arguments"} <= set(call) else {}


def _outermost(store: Store, run_id: str) -> str:
    run = store.get_run(run_id)
    return run_id if run is None else run.root or run.id


def _topic(run_id: str) -> str:
    return f"polos/always/{run_id}"


def _mark(arguments: Mapping[str, Any]) -> str:
    return digest(_plain_numbers(arguments))


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain_numbers(inner) for key, inner in value.items()}
    return [_plain_numbers(inner) for inner in value] if isinstance(value, list | tuple) else value
