"""`%polos runs` and `show` in their forms: the inspector where a page can show it, tables and frames elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.error import UsageError

from polos_nb.notebook import inspector
from polos_nb.notebook.inspector import Inspected, open_inspector
from polos_nb.notebook.tables import Shown
from tests.notebook.inspecting import PROGRAM, Page, fill


@pytest.fixture
def page(make_shell: Callable[..., Any]) -> Page:
    """A page on a store with five runs."""
    shell = make_shell()
    shell.ok(PROGRAM)
    return fill(shell)


def test_a_shell_without_a_page_gets_tables(page: Page) -> None:
    """Today's tables; `--table` is taken, too."""
    for line in ("runs", "runs --table", "show r2", "show r2 --table", "show r2 --step 1"):
        assert type(page.shell.ok(f"%polos {line}").value) is Shown


def test_runs_and_steps_come_as_frames(page: Page) -> None:
    """`--df` of the list, and of one run with the steps of the runs inside it."""
    assert list(page.shell.ok("%polos runs --df").value["run"]) == ["r5", "r4", "r3", "r2", "r1"]
    frame = page.shell.ok("%polos show r2 --df").value
    steps = ["draft", "draft/1.llm", "draft/1.get_weather[call_1]", "draft/2.llm"]
    assert list(frame["step"]) == [*steps, "sizes[0]", "sizes[1]", "sizes[2]", "publish"]
    assert list(frame["run"])[:2] == ["r2", "r3"]
    assert {"kind", "state", "seconds", "tokens", "cost", "began", "error"} <= set(frame.columns)
    assert isinstance(page.shell.run("%polos show r2 --step 1 --df").error, UsageError)


def test_where_a_page_can_show_it_the_inspector_opens(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its view beside the table for those who cannot show it; what asks for another form gets that."""
    monkeypatch.setattr(inspector, "in_kernel", lambda ip: True)
    for line, view, run in (("runs", "runs", ""), ("show r2", "run", "r2")):
        shown = page.shell.ok(f"%polos {line}").value
        assert isinstance(shown, Inspected)
        data = shown._repr_mimebundle_()
        assert set(data) >= {"text/html", "text/markdown", "text/plain", "application/vnd.jupyter.widget-view+json"}
        assert "r2" in data["text/plain"]
        head = shown.widget.feed.state["head"]
        assert (head["view"], head["run"]) == (view, run)
        json.dumps(head)
    for form in ("runs --table", "runs --json", "runs --waiting", "show --table", "show --json", "show r2 --step 1"):
        assert type(page.shell.ok(f"%polos {form}").value) is Shown
    monkeypatch.setattr(type(page.session), "watched", False)
    assert type(page.shell.ok("%polos runs").value) is Shown


def test_an_opened_inspector_answers_its_page(page: Page) -> None:
    """Requests come in by the widget, answers and sentences go out by it."""
    sent: list[dict[str, Any]] = []

    async def main() -> None:
        widget = open_inspector(page.session, "run", {"run": "r1"})
        widget.send = lambda content, buffers=None: sent.append(content)
        for number, asked in enumerate(({"do": "why", "run": "r1"}, {"do": "run", "run": "r99"}, {"do": "fly"})):
            widget._received(widget, {"t": "req", "id": str(number), **asked}, [])
        end = asyncio.get_running_loop().time() + 10
        while len(sent) < 3 and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)
        widget.close()

    asyncio.run(main())
    by_id = {message["id"]: message for message in sent}
    assert by_id["0"]["ok"]
    assert by_id["0"]["data"]["lines"][0]["step"] == "1.llm"
    assert (by_id["1"]["ok"], by_id["2"]["ok"]) == (False, False)
    assert "no run r99" in by_id["1"]["error"]
    assert "cannot 'fly'" in by_id["2"]["error"]
