"""A plan as a reader sees it."""

from __future__ import annotations

from polos_nb.notebook.tables import Shown
from polos_nb.runtime.planning import PlannedStep, PlanReport
from polos_nb.transcript_text import count


def plan_page(plan: PlanReport) -> Shown:
    """What would answer from the store, what would be executed, and what that costs at most."""
    rows = [("◆ cached", key, "", "") for key in plan.cached]
    rows += [("◇ will run", step.key, _cost(step), step.why) for step in plan.steps]
    if plan.complete:
        said = "Nothing would be executed: everything answers from the store."
    elif plan.steps:
        said = f"{count(len(plan.cached), 'step')} cached; it would go on from {plan.steps[0].key}."
        said += f" At most {plan.tokens:,} tokens{_money(plan.cost)} for what is known; what comes after is not."
        if plan.more_calls is not None:
            said += f" The model may be called {count(plan.more_calls, 'more time')}."
    else:
        said = "It would wait."
    if plan.approvals:
        said += f" Asks a person before: {', '.join(plan.approvals)}."
    return Shown(f"{plan.target} · plan", ("", "step", "at most", "why"), rows, note=said)


def _cost(step: PlannedStep) -> str:
    if step.kind != "llm":
        return step.kind
    limit = f"{step.output_tokens:,}" if step.limited else f"{step.output_tokens:,} (no limit is set)"
    return f"{step.model} · {step.input_tokens:,} in · {limit} out{_money(step.cost)}"


def _money(price: float | None) -> str:
    return "" if price is None else f", ${price:.4f}"
