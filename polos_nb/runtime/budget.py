"""Budgets: what a call of a model may cost at most is known before it is made, and a person decides what goes over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from polos_nb.durable.asking import Question, decided
from polos_nb.durable.book import Book
from polos_nb.durable.steps import Attempt, Slot, Steps
from polos_nb.errors import ModelError
from polos_nb.messages import Usage
from polos_nb.models import prices
from polos_nb.models.base import ModelRequest
from polos_nb.models.litellm import load
from polos_nb.models.providers import PROVIDERS
from polos_nb.runtime.planning import FREE, tokens_of

_ANSWER = 32_000  # tokens of an answer that nothing limits, of a model that nobody knows
_CACHE_MARKUP = 1.25  # what a provider takes at most for keeping the input


@dataclass(frozen=True)
class _Over:
    """Why a call cannot be made: it may cost `most` (None: its price is not known), and only `left` is left."""

    book: Book
    budget: float
    left: float
    most: float | None


def has_budget(steps: Steps) -> bool:
    """Whether this run, or one around it, has a budget."""
    return any(book.budget is not None for book in _books(steps.book))


async def allow(steps: Steps, slot: Slot, attempt: Attempt, request: ModelRequest) -> None:
    """Return when the call may be made: it fits every budget around it, or a person has said so.

    What it may cost is set aside until `settle`, so that calls side by side do not spend the same money twice. Raises
    ModelError where it does not fit, and nobody is watching or a person has said no.
    """
    _withdraw(steps, slot)
    if not has_budget(steps):
        return
    most = await _bound(request)
    over = _over(steps, request, most)
    if over is not None:
        await _asked(over, steps, slot, attempt, request)
    for book in _books(steps.book):
        book.reserved[_place(steps, slot)] = most or 0.0


def settle(steps: Steps, slot: Slot) -> None:
    """The call is over: what it has cost is in the store, and nothing is set aside for it any more."""
    for book in _books(steps.book):
        book.reserved.pop(_place(steps, slot), None)


def _withdraw(steps: Steps, slot: Slot) -> None:
    """A question that was asked of this call when the budget was another one is not asked any more."""
    book = steps.book
    for decision in book.store.decisions(run_id=book.root.run.id, status="waiting"):
        if decision.kind == "budget" and decision.step_key == _place(steps, slot):
            book.store.decide(decision.id, status="withdrawn", decided_by="another budget")


async def _asked(over: _Over, steps: Steps, slot: Slot, attempt: Attempt, request: ModelRequest) -> None:
    """Ask whether the call is to be made all the same. Raises ModelError when it is not."""
    why = _why(over, request)
    if not steps.book.root.watched:
        raise ModelError(f"{why}; {_remedy(over)}", provider=request.provider)
    question = Question(kind="budget", form=_form(over, request))
    answer = await decided(steps.book, steps.place(slot, attempt.record), question)
    said = orjson.loads(answer.answer or "null")
    if said is not True and not (isinstance(said, dict) and said.get("approved") is True):
        raise ModelError(f"{why}, and the call was rejected", provider=request.provider)


def _over(steps: Steps, request: ModelRequest, most: float | None) -> _Over | None:
    """The budget around a call that it does not fit, the innermost one first."""
    for book in _books(steps.book):
        if book.budget is None:
            continue
        allowed = _allowed(book)
        budget = max([book.budget, *(float(said["budget"]) for said, _ in allowed if _is_amount(said.get("budget")))])
        left = budget - _spent(book) - sum(book.reserved.values())
        if most is None:
            if not any(form.get("_unknown") == _name(request) for _, form in allowed):
                return _Over(book, budget, left, most)
        elif most > left:
            return _Over(book, budget, left, most)
    return None


def _place(steps: Steps, slot: Slot) -> str:
    return steps.book.prefix + slot.path


def _books(book: Book) -> list[Book]:
    """A run and those around it, innermost first."""
    found = [book]
    while found[-1].outer is not None:
        found.append(found[-1].outer[0].book)
    return found


def _allowed(book: Book) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What persons have allowed beyond the budget of this run: the answers, and what was asked."""
    found = []
    for decision in book.store.decisions(run_id=book.root.run.id, status="answered"):
        if decision.kind != "budget":
            continue
        said, form = orjson.loads(decision.answer or "null"), orjson.loads(decision.form)
        if isinstance(said, dict) and said.get("approved") is True and form.get("_run") == book.run.id:
            found.append((said, form))
    return found


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(request: ModelRequest) -> str:
    return f"{request.provider}/{request.model}"


def _spent(book: Book) -> float:
    """What the answers of this run, and of those inside it, have cost. Those of unknown price were allowed as such."""
    figures = book.store.figures([book.run.id]).get(book.run.id)
    return sum(_cost(parts, usage) or 0.0 for parts, usage in (figures.paid if figures is not None else ()))


def _cost(parts: str, usage: str) -> float | None:
    named = orjson.loads(parts)
    if named.get("provider") in FREE:
        return 0.0
    return prices.cost(str(named.get("provider")), str(named.get("model")), Usage.model_validate_json(usage))


async def _bound(request: ModelRequest) -> float | None:
    """What a call costs at most, whoever answers it; None where a price is not known."""
    given = sum(tokens_of(message.model_dump_json(exclude_none=True)) for message in request.messages)
    given += sum(len(orjson.dumps(tool)) // 3 + 8 for tool in request.tools)
    given += len(orjson.dumps(request.output_schema)) // 3 if request.output_schema else 0
    limit = next(
        (request.params[name] for name in ("max_tokens", "max_completion_tokens") if request.params.get(name)), None
    )
    most = 0.0
    others = [(one.provider, one.model) for one in request.fallbacks]
    for provider, model in [(request.provider, request.model), *others]:
        name = model if isinstance(model, str) else str(getattr(model, "name", "custom"))
        price = await _price_of(provider, name, given, int(limit) if limit else None)
        if price is None:
            return None
        most = max(most, price)
    return most


async def _price_of(provider: str, model: str, given: int, limit: int | None) -> float | None:
    if provider in (*FREE, "ollama"):
        return 0.0
    if provider in PROVIDERS and prices.cost(provider, model, Usage(input_tokens=1)) is None:
        await asyncio.to_thread(load)  # its table knows more, and is needed for the call in any case
    answer = limit or prices.longest_answer(provider, model) or _ANSWER
    asked = prices.cost(provider, model, Usage(input_tokens=given))
    said = prices.cost(provider, model, Usage(output_tokens=answer))
    return None if asked is None or said is None else asked * _CACHE_MARKUP + said


def _why(over: _Over, request: ModelRequest) -> str:
    name, budget = _name(request), f"the budget of {_dollars(over.budget)}"
    if over.most is None:
        return f"the price of {name} is not known, so {budget} cannot be kept"
    left = _dollars(max(over.left, 0.0))
    return f"the next call of {name} may cost up to {_dollars(over.most)}, and {left} of {budget} is left"


def _remedy(over: _Over) -> str:
    if over.most is None:
        return "run it without a budget"
    return "give the run a larger budget, or limit the answers with max_output_tokens="


def _form(over: _Over, request: ModelRequest) -> dict[str, Any]:
    fields: list[dict[str, Any]] = [
        {"key": "approved", "type": "boolean", "label": "Make this call?", "required": True, "default": False}
    ]
    if over.most is not None:
        fields.append(
            {
                "key": "budget",
                "type": "number",
                "label": "New budget of the run, in US dollars",
                "description": "Without one, this call only is made",
                "required": False,
            }
        )
    why = _why(over, request)
    form = {"title": "Over the budget", "description": f"{why[0].upper()}{why[1:]}.", "fields": fields}
    about = {"_form": form, "_source": "budget", "_run": over.book.run.id}
    return about | ({"_unknown": _name(request)} if over.most is None else {})


def _dollars(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.1 or amount == 0 else f"${amount:.4f}"
