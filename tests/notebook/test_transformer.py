"""Cells that must await are rewritten, and nothing else is."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from polos_nb.notebook.transformer import Transformer, transform_calls, transform_cell_magic


def cell(text: str) -> str:
    return "".join(transform_cell_magic(text.splitlines(keepends=True)))


def calls(text: str) -> str:
    return "".join(transform_calls(text.splitlines(keepends=True)))


def test_a_run_cell_becomes_one_awaited_call() -> None:
    """`%%polos_run` and its body are rewritten into an await with both as literals."""
    assert cell('%%polos_run bot --as x\nWhat\'s "up"?\n{{ a }}\n') == (
        "await get_ipython()._polos_nb.run_cell('bot --as x', 'What\\'s \"up\"?\\n{{ a }}\\n')\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "%%time\n%%polos_run bot\nHi\n",
        "# a comment\n%%polos_run bot\nHi\n",
        "%%polos_runner bot\nHi\n",
        "%%polos_agent bot\n%%polos_run\n",
        "x = '''\n%%polos_run bot\n'''\n",
        "",
        "\n",
    ],
)
def test_other_cells_stay_as_they_are(text: str) -> None:
    """Cells that do not begin with `%%polos_run` are returned unchanged."""
    assert cell(text) == text


def test_a_cell_with_blank_lines_above_and_without_arguments_is_rewritten() -> None:
    """Blank lines above do not matter, and neither does a missing argument (the magic then says so)."""
    assert cell("\n\n%%polos_run\n") == "await get_ipython()._polos_nb.run_cell('', '')\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asyncio.run(main())", "(await (main()))"),
        ("x = asyncio.run(main())", "x = (await (main()))"),
        ("asyncio.run(main(),)", "(await (main()))"),
        ("asyncio.run(main()  # a, b\n)", "(await (main()  # a, b\n))"),
        ("ü = 'ä'; y = asyncio.run(f('é')); z = asyncio.run(g())", "ü = 'ä'; y = (await (f('é'))); z = (await (g()))"),
        ("asyncio.run(f(asyncio.run(g())))", "(await (f((await (g())))))"),
        ("asyncio.run(main()).text", "(await (main())).text"),
        (
            'if __name__ == "__main__":\n    asyncio.run(main())\n',
            'if __name__ == "__main__":\n    (await (main()))\n',
        ),
        ("try:\n    asyncio.run(a())\nfinally:\n    b()\n", "try:\n    (await (a()))\nfinally:\n    b()\n"),
        ("asyncio.run(\n    main(\n        1,\n    ),\n)\n", "(await (\n    main(\n        1,\n    )\n))\n"),
    ],
)
def test_top_level_asyncio_run_becomes_await(text: str, expected: str) -> None:
    """`asyncio.run(x)` at the top level is an await of x, whatever surrounds it; several in a cell too."""
    assert calls(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    asyncio.run(main())\n",
        "async def f():\n    asyncio.run(main())\n",
        "class A:\n    x = asyncio.run(main())\n",
        "f = lambda: asyncio.run(main())\n",
        "[asyncio.run(f(x)) for x in y]\n",
        "asyncio.run(main(), debug=True)\n",
        "asyncio.run(*args)\n",
        "asyncio.run()\n",
        "other.asyncio.run(main())\n",
        "'asyncio.run(main())'\n",
        "asyncio.run(main(\n",
        "asyncio.run(x\x00)\n",
    ],
)
def test_what_cannot_be_awaited_is_left_alone(text: str) -> None:
    """Inside functions, classes and comprehensions, with further arguments, in texts and broken code: unchanged."""
    assert calls(text) == text


def test_the_line_magic_becomes_an_awaited_expression() -> None:
    """`x = %polos_run ...`, as IPython has translated it, is awaited."""
    assert calls("x = get_ipython().run_line_magic('polos_run', 'bot \"q\"')\n") == (
        "x = (await get_ipython()._polos_nb.run_line('bot \"q\"'))\n"
    )
    other = "get_ipython().run_line_magic('time', 'polos_run')\n"
    assert calls(other) == other


def test_rewritten_code_runs_and_gives_the_value() -> None:
    """The rewritten code compiles with top-level await and computes what asyncio.run would have."""
    source = "async def main(x):\n    return x * 2\nif True:\n    a = asyncio.run(main(2)) + asyncio.run(main(3))\n"
    code = compile(calls(source), "<cell>", "exec", flags=0x2000)  # PyCF_ALLOW_TOP_LEVEL_AWAIT
    names: dict[str, Any] = {"asyncio": asyncio}
    made = eval(code, names)
    assert inspect.iscoroutine(made)
    asyncio.run(made)
    assert names["a"] == 10


def test_nothing_is_rewritten_where_awaiting_is_off_or_nested() -> None:
    """Without autoawait, and while another magic transforms its body, lines stay as they are."""
    lines = ["%%polos_run bot\n", "Hi\n"]
    assert Transformer(lambda: False).cleanup(lines) == lines
    allowed = Transformer(lambda: True)

    def run_cell_magic() -> list[str]:
        return allowed.cleanup(lines)

    assert run_cell_magic() == lines
    assert allowed.cleanup(lines) != lines


def test_an_error_inside_never_breaks_a_cell() -> None:
    """A transformer that fails returns the lines it was given."""

    def broken() -> bool:
        raise RuntimeError("no shell")

    lines = ["%%polos_run bot\n"]
    assert Transformer(broken).cleanup(lines) == lines


def test_a_definition_without_a_body_can_still_show_its_help() -> None:
    """`%%polos_agent -h` alone gets the body that IPython insists on; a cell with one stays as it is."""
    assert transform_cell_magic(["%%polos_agent -h\n"]) == ["%%polos_agent -h\n", "\n"]
    assert transform_cell_magic(["%%polos_tool\n", "def f(): ...\n"]) == ["%%polos_tool\n", "def f(): ...\n"]
