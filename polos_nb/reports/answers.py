"""Answering what a run waits for, from wherever a person is: found by step, checked by its form, decided once."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from polos_nb.errors import ConfigurationError
from polos_nb.forms import Form, parse_form
from polos_nb.redaction import redactor
from polos_nb.reports.edits import checked
from polos_nb.reports.facts import data_of, when
from polos_nb.reports.runs import find_key, find_run, path_to
from polos_nb.runtime.always import revoke, spread
from polos_nb.safe_text import brief, value_text, visible
from polos_nb.stores.base import RunRecord, Store
from polos_nb.stores.waiting import DecisionRecord
from polos_nb.transcript_text import count

AnswerState = Literal["answered", "early", "already"]
_ENDED = ("completed", "failed", "cancelled")
_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What became of an answer.

    `run_id` is the outermost run and `step_key` the path of the step in it. "early" means that the run has yet to
    ask; "already" that somebody else was faster, so that `answer` is theirs. `tool` is the one that asks for approval.
    """

    run_id: str
    step_key: str
    state: AnswerState
    answer: Mapping[str, Any] = field(default_factory=dict)
    decided_by: str = ""
    decided_at: float | None = None
    note: str = ""
    tool: str = ""

    def sentence(self) -> str:
        """One line: what was decided, of what.

        >>> Answered(run_id="r12", step_key="1.refund[call_1]", state="answered", answer={"approved": True}).sentence()
        'r12 · 1.refund[call_1]: approved'
        """
        said = said_of(self.answer, self.tool)
        if self.state == "already":
            who = f" by {self.decided_by}" if self.decided_by else ""
            at = f" at {when(self.decided_at)}" if self.decided_at else ""
            said = f"was decided already{who}{at}: {said}"
        if self.state == "early":
            said += "; kept for when the run asks"
        text = visible(f"{self.run_id} · {self.step_key}: {said}".replace("\n", " "))
        return f"{text}; {self.note}" if self.note else text


def answer(
    store: Store,
    run_id: str,
    step: str | None = None,
    *,
    yes: bool | None = None,
    values: Mapping[str, Any] | None = None,
    feedback: str | None = None,
    by: str = "",
) -> Answered:
    """Answer what a run waits for.

    Without `step` exactly one decision must wait. `yes` sets "approved", `feedback` "feedback", `values` anything;
    texts are read the way a command line writes them. The answer to an approval may also hold "arguments", with which
    the tool is called instead, and "allow_always": "tool" approves every call of it in the outermost run without
    asking, "same" those with exactly these arguments; what waits and is covered is approved at once.

    Raises ConfigurationError where the answer does not fit the form, where it is not clear what is meant, and where
    the run has ended.
    """
    run = find_run(store, run_id)
    outermost = run.root or run.id
    prefix = path_to(store, run)
    known = [one for one in store.decisions(run_id=outermost) if one.step_key.startswith(prefix)]
    # A path that is known as it stands means that step and no other, also when it has been answered meanwhile.
    known = [one for one in known if step is not None and one.step_key in (step, f"{prefix}{step}")] or known
    given = _given(yes, values or {}, feedback)
    decision = _meant(run, [one for one in known if _waits(one)], step)
    if decision is not None:
        return _decide(store, decision, given, by)
    past = _past(known, step)
    if past is not None:
        return _already(past)
    above = store.get_run(outermost) or run
    if step is None:
        ended = f" and is {above.status}" if above.status in _ENDED else ""
        raise ConfigurationError(f"run {run.id} waits for no answer{ended}")
    if above.status in _ENDED:
        raise ConfigurationError(f"run {above.id} is {above.status} and asks nothing more")
    if any(one.step_key == step and one.status == "completed" for _, one in store.trace(run.id)):
        raise ConfigurationError(f"{run.id} · {step} has its answer and asks nothing")
    waiting = "; ".join(_line(one) for one in known if _waits(one))
    return _early(store, outermost, f"{prefix}{step}", given, by, waiting)


def answer_question(store: Store, decision_id: int, values: Mapping[str, Any], *, by: str = "") -> Answered:
    """Answer the very question that a card shows; what is asked in its place by now is another one.

    `values` as in `answer`. Raises ConfigurationError where they do not fit the form, and where it is asked no more.
    """
    decision = store.get_decision(decision_id)
    if decision is None:
        raise ConfigurationError("the run was deleted meanwhile, so there is nothing to answer")
    return _decide(store, decision, dict(values), by) if _waits(decision) else _already(decision)


def said_of(answered: Mapping[str, Any], tool: str = "") -> str:
    """An answer in a few words; `tool` is the one whose call was asked for.

    >>> said_of({"approved": False, "feedback": "too much"})
    'rejected (feedback=too much)'
    >>> said_of({"approved": True, "arguments": {"amount": 3}, "allow_always": "tool"}, "refund_order")
    'approved (arguments edited), and always for refund_order'
    """
    if not isinstance(answered.get("approved"), bool):
        rest = _pairs(answered)
        return f"answered: {rest}" if rest else "answered"
    edited = "arguments edited" if isinstance(answered.get("arguments"), Mapping) else ""
    others = {key: value for key, value in answered.items() if key not in ("approved", "arguments", "allow_always")}
    rest = ", ".join(filter(None, [edited, _pairs(others)]))
    said = ("approved" if answered["approved"] else "rejected") + (f" ({rest})" if rest else "")
    always = answered.get("allow_always")
    if not always or not answered["approved"]:
        return said
    return f"{said}, and always " + ("with these arguments" if always == "same" else f"for {tool or 'this tool'}")


def _pairs(answers: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{brief(str(key), 40)}={brief(value_text(value), 80)}"
        for key, value in answers.items()
        if value not in (None, "", False)
    )


def pairs_of(pairs: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE texts as a mapping. Raises ConfigurationError for anything else.

    >>> pairs_of(["amount=3", "note=a=b"])
    {'amount': '3', 'note': 'a=b'}
    """
    out: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigurationError(f"{pair!r} is not KEY=VALUE; write for example amount=3")
        out[key.strip()] = value
    return out


def approval_values(values: Mapping[str, Any], arguments: str | None, always: str | None) -> dict[str, Any]:
    """Values with what the flags for edited arguments (as JSON) and for "always" say."""
    more = {"arguments": arguments, "allow_always": always}
    return {**values, **{key: value for key, value in more.items() if value is not None}}


def revoked(store: Store, run_id: str, rule_id: str) -> str:
    """Take a rule "always approve this" back, and say so in a sentence. ConfigurationError where there is none."""
    run = find_run(store, run_id)
    rule = revoke(store, run.id, rule_id)
    return visible(f"{run.root or run.id}: no longer approved without asking: {rule.text}")


def login_name() -> str:
    """Who decides, where nobody said; "" where the system does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a user without a name
        return ""


def _given(yes: bool | None, values: Mapping[str, Any], feedback: str | None) -> dict[str, Any]:
    given = dict(values)
    if yes is not None:
        given["approved"] = yes
    if feedback is not None:
        given["feedback"] = feedback
    return given


def _waits(decision: DecisionRecord) -> bool:
    return decision.status == "waiting" and (decision.expires_at is None or decision.expires_at > time.time())


def _meant(run: RunRecord, waiting: Sequence[DecisionRecord], step: str | None) -> DecisionRecord | None:
    """The decision that is meant; None when no waiting one has this step."""
    if step is None:
        if len(waiting) == 1:
            return waiting[0]
        if waiting:
            listed = "; ".join(_line(one) for one in waiting[:_LISTED])
            raise ConfigurationError(f"run {run.id} waits for {len(waiting)} answers; name the step: {listed}")
        return None
    key = find_key([one.step_key for one in waiting], step)
    return next((one for one in waiting if one.step_key == key), None)


def _line(decision: DecisionRecord) -> str:
    form = _form(decision)
    title = f" ({brief(form.title, 60)})" if form.title else ""
    return visible(f"{decision.step_key}{title}")


def _past(known: Sequence[DecisionRecord], step: str | None) -> DecisionRecord | None:
    """The newest decision of a step that waits no more. An early answer that nobody asked for yet can be replaced."""
    done = [one for one in known if not _waits(one) and one.step_id is not None]
    if step is None:
        return max(done, key=lambda one: one.decided_at or 0.0, default=None)
    key = find_key([one.step_key for one in done], step)
    return next((one for one in reversed(done) if one.step_key == key), None)


def _already(decision: DecisionRecord) -> Answered:
    if decision.status in ("expired", "waiting"):
        raise ConfigurationError(
            f"{decision.run_id} · {decision.step_key} is no longer asked: its time was up at"
            f" {when(decision.expires_at or decision.decided_at)}"
        )
    if decision.status == "withdrawn":
        raise ConfigurationError(f"{decision.run_id} · {decision.step_key} is no longer asked: it was withdrawn")
    return _answered(decision, "already")


def _answered(decision: DecisionRecord, state: AnswerState) -> Answered:
    kept = data_of(decision.answer)
    return Answered(
        run_id=decision.run_id,
        step_key=decision.step_key,
        state=state,
        answer=kept if isinstance(kept, dict) else {} if kept is None else {"answer": kept},
        decided_by=decision.decided_by or "",
        decided_at=decision.decided_at,
        tool=_form(decision).tool,
    )


def _decide(store: Store, decision: DecisionRecord, given: dict[str, Any], by: str) -> Answered:
    form = _form(decision)
    _check_said(decision, form, given)
    answers = form.check(given)
    if decision.kind == "approval":
        answers = checked(answers, data_of(decision.form))
    kept = _kept(answers)
    mine = store.decide(decision.id, answer=kept, decided_by=by)
    now = store.get_decision(decision.id)
    if now is None:
        raise ConfigurationError(f"{decision.run_id} was deleted meanwhile, so there is nothing to answer")
    if not mine:
        return _already(now)
    others = spread(store, decision.run_id) if answers.get("allow_always") else 0
    note = (
        f"{count(others, 'other call')} that waited {'was' if others == 1 else 'were'} approved too" if others else ""
    )
    return replace(_answered(now, "answered"), note=note)


def _check_said(decision: DecisionRecord, form: Form, given: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for an answer that says nothing, or yes where yes says nothing."""
    where = f"{decision.run_id} · {_line(decision)}"
    if decision.kind == "doubt" and "action" not in given:
        raise ConfigurationError(
            f"{where}: it was started, and nobody knows whether it was done. Write --set action=again to run it again,"
            " --set action=done --set result=JSON if it was done, or --set action=stop"
        )
    approved = form.field("approved")
    if approved is not None and approved.type == "boolean" and "approved" not in given:
        raise ConfigurationError(f"{where}: say --yes or --no")
    if form.fields and approved is None and set(given) <= {"approved", "feedback"} and "approved" in given:
        raise ConfigurationError(f"{where}: yes or no is no answer here; write --set {form.how()}")
    if not given and (not form.fields or any(one.required for one in form.fields)):
        how = form.how() or "key=value"
        raise ConfigurationError(f"{where}: say --yes, --no, or --set {how}")


def _early(store: Store, run_id: str, step_key: str, given: dict[str, Any], by: str, waiting: str) -> Answered:
    if not given:
        raise ConfigurationError("say --yes, --no or --set key=value")
    if isinstance(given.get("approved"), bool):
        given = checked(given)
    kept = store.answer_early(run_id, step_key, _kept(given), by)
    for decision in store.decisions(run_id=run_id, status="waiting"):
        if decision.step_key == step_key:  # the run has asked since we looked
            return _decide(store, decision, given, by)
    return replace(_answered(kept, "early"), note=f"now it waits for {waiting}" if waiting else "")


def _form(decision: DecisionRecord) -> Form:
    return parse_form(data_of(decision.form))


def _kept(answers: Mapping[str, Any]) -> str:
    """An answer as its record keeps it: JSON of the answers, without secrets."""
    return redactor().redact(json.dumps(dict(answers), ensure_ascii=False))
