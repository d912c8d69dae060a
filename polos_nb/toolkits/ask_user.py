"""The tool with which an agent asks its user: a question as a form, whose answer is kept like any other step."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from polos_nb.durable.context import WorkflowContext
from polos_nb.tools import Tool

_DESCRIPTION = (
    "Ask the user a question and wait for the answer. Use it when you need a decision, a clarification or a fact that"
    " only the user has. Without fields the user answers in words; with fields they fill in a form."
)


class AskUserFieldOption(BaseModel):
    """One choice of a select field."""

    label: str
    value: str


class AskUserField(BaseModel):
    """One thing to fill in."""

    key: str = Field(min_length=1, description="The name under which the answer comes back")
    type: Literal["text", "textarea", "number", "boolean", "select"] = Field(description="What can be filled in")
    label: str = Field(description="What the user reads beside it")
    description: str | None = Field(default=None, description="A word of help")
    required: bool | None = Field(default=None, description="Whether it has to be filled in")
    options: list[AskUserFieldOption] | None = Field(default=None, description="The choices of a select field")

    @model_validator(mode="after")
    def _has_choices(self) -> AskUserField:
        if self.type == "select" and not self.options:
            raise ValueError("a select field needs options to choose from")
        return self


class AskUserInput(BaseModel):
    """What the model sends: a question, and a form where words are not what it wants."""

    question: str = Field(min_length=1, description="The question")
    title: str | None = Field(default=None, description="A short heading")
    fields: list[AskUserField] | None = Field(
        default=None, description="What to fill in; without it the user answers in words"
    )

    @model_validator(mode="after")
    def _keys_differ(self) -> AskUserInput:
        twice = [key for key, count in Counter(field.key for field in self.fields or ()).items() if count > 1]
        if twice:
            raise ValueError(f"two fields have the key {twice[0]!r}; give each its own")
        return self


def create_ask_user_tool() -> Tool:
    """A tool `ask_user` for an agent: the run waits until somebody has answered, on the card in the notebook, with
    `%polos approve`, on the command line or from another process; the model reads the answer.

    A question is asked once: after a restart it still waits, and once it is answered a replay asks nobody.

    >>> agent = Agent(id="planner", provider="demo", tools=[create_ask_user_tool()])  # doctest: +SKIP
    """
    return Tool("ask_user", _DESCRIPTION, None, _ask, version=1)


async def _ask(ctx: WorkflowContext, input: AskUserInput) -> dict[str, Any]:
    name = await ctx.step.uuid("_ask_user_id")
    answer = await ctx.step.suspend(f"ask_user_{name}", _form(input))
    data = answer["data"]
    return data if isinstance(data, dict) else {"response": data}


def _form(asked: AskUserInput) -> dict[str, Any]:
    """The question in Polos' shape."""
    fields = [field.model_dump(exclude_none=True) for field in asked.fields or ()]
    if not fields:
        fields = [{"key": "response", "type": "textarea", "label": asked.question, "required": True}]
    form = {"title": asked.title or "Agent Question", "description": asked.question, "fields": fields}
    return {"_form": form, "_source": "ask_user", "_tool": "ask_user"}
