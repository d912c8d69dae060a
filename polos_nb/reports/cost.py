"""What a run has cost: tokens and US dollars of each model's answer, and what the store has saved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from polos_nb.messages import Usage
from polos_nb.models.prices import cost as price
from polos_nb.reports.facts import Facts, data_of
from polos_nb.reports.pages import Page, dollars
from polos_nb.reports.story import Story, story
from polos_nb.stores.base import Store
from polos_nb.stores.counting import RunFigures

_FREE = ("demo", "scripted")  # providers whose answers cost nothing


@dataclass(frozen=True, kw_only=True)
class Money:
    """A sum of prices in US dollars. `unknown` counts the answers whose price nobody knows, which are not in it."""

    dollars: float = 0.0
    known: int = 0
    unknown: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def total(self) -> float | None:
        """The sum; None where no price is known, though there is something to pay for."""
        return None if self.unknown and not self.known else self.dollars

    @property
    def priced(self) -> bool:
        """Whether every price is known."""
        return not self.unknown


def money_of(answers: Iterable[tuple[str, str | None]]) -> Money:
    """The sum over model answers, each as its step's `parts` and `usage`."""
    sums, known, unknown, given, made = 0.0, 0, 0, 0, 0
    for parts, usage in answers:
        used = _usage(usage)
        if not used.total_tokens:
            continue  # nothing to pay for
        spent = _price(parts, used)
        sums += spent or 0.0
        known, unknown = known + (spent is not None), unknown + (spent is None)
        given, made = given + used.input_tokens, made + used.output_tokens
    return Money(dollars=sums, known=known, unknown=unknown, tokens_in=given, tokens_out=made)


def money_of_figures(figures: RunFigures | None) -> Money:
    """What was paid for in a run, the runs inside it included."""
    return money_of(figures.paid if figures is not None else ())


def run_cost(store: Store, run_id: str | None = None) -> Facts:
    """What each model's answer of a run has cost, those of the runs inside it included.

    `steps` has `step` (the path), `run`, `model`, `cached`, `tokens_in`, `tokens_out` and `cost`, None where the price
    is not known. `paid` is the sum of what this run has called for, `saved` of what answered from the store; `unknown`
    and `unknown_saved` count the answers that these leave out.
    """
    return cost_of_story(story(store, run_id))


def cost_of_story(told: Story) -> Facts:
    """The same of a story that is at hand."""
    steps: list[Facts] = []
    paid: list[tuple[str, str | None]] = []
    saved: list[tuple[str, str | None]] = []
    for place in told.places.values():
        step = place.step
        if step.kind != "llm" or not step.usage:
            continue
        used = _usage(step.usage)
        (paid if place.paid else saved).append((step.parts, step.usage))
        request = data_of(step.request)
        steps.append(
            {
                "step": place.path,
                "run": place.run.id,
                "model": str(request.get("model") or "") if isinstance(request, dict) else "",
                "cached": place.cached,
                "paid": place.paid,
                "tokens_in": used.input_tokens,
                "tokens_out": used.output_tokens,
                "cost": _price(step.parts, used),
            }
        )
    spent, spared = money_of(paid), money_of(saved)
    return {
        "run": told.run.id,
        "steps": steps,
        "paid": spent.total,
        "unknown": spent.unknown,
        "tokens_in": spent.tokens_in,
        "tokens_out": spent.tokens_out,
        "saved": spared.total,
        "unknown_saved": spared.unknown,
        "tokens_saved": spared.tokens_in + spared.tokens_out,
    }


def cost_page(facts: Facts) -> Page:
    """The cost of a run as a page."""
    rows = [
        (
            line["step"],
            line["model"],
            "cached" if line["cached"] else "live",
            line["tokens_in"],
            line["tokens_out"],
            "unknown" if line["cost"] is None else dollars(line["cost"]),
        )
        for line in facts["steps"]
    ]
    head = ("step", "model", "state", "tokens in", "tokens out", "cost")
    return Page(facts["run"], head if rows else (), rows, note=cost_note(facts), whole=("step", "cost"))


def cost_note(facts: Facts) -> str:
    """What a run has cost and saved, in a sentence or two."""
    if not facts["steps"]:
        return "No model was asked, so nothing was paid for."
    paid = sum_text(facts["paid"], facts["unknown"])
    saved = sum_text(facts["saved"], facts["unknown_saved"])
    said = f"Paid for in this run: {facts['tokens_in'] + facts['tokens_out']:,} tokens, {paid}."
    return said + (
        f" Answered from the store: {facts['tokens_saved']:,} tokens, {saved}." if facts["tokens_saved"] else ""
    )


def sum_text(total: float | None, unknown: int) -> str:
    """A sum as a person reads it, with how many answers it leaves out."""
    if total is None:
        return "price unknown"
    more = f" and {unknown} {'answer' if unknown == 1 else 'answers'} at a price that is not known" if unknown else ""
    return dollars(total) + more


def _usage(kept: str | None) -> Usage:
    return Usage.model_validate_json(kept) if kept else Usage()


def _price(parts: str, usage: Usage) -> float | None:
    """The price of one answer. A usage without tokens has none: nobody counted them."""
    named = data_of(parts)
    if not isinstance(named, dict) or not usage.total_tokens:
        return None
    if named.get("provider") in _FREE:
        return 0.0
    return price(str(named.get("provider")), str(named.get("model")), usage)
