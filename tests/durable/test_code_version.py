"""The version of a function changes when, and only when, what it does may have changed."""

from __future__ import annotations

import functools
import linecache
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from polos_nb.durable import code_values
from polos_nb.durable.code_version import CodeVersion, code_version, explain, opaque

Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import a text as a module of a new file; `name` may be used again, as after a restart."""
    count = iter(range(1000))

    def run(text: str, name: str = "user_code") -> ModuleType:
        folder = tmp_path / str(next(count))
        folder.mkdir()
        file = folder / f"{name}.py"
        file.write_text(textwrap.dedent(text))
        module = ModuleType(name)
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(file.read_text(), str(file), "exec", dont_inherit=True), vars(module))
        return module

    return run


@pytest.fixture
def version(load: Load) -> Callable[..., CodeVersion]:
    """The version of what a text calls `tool`."""

    def run(text: str, name: str = "user_code") -> CodeVersion:
        return code_version(load(text, name).tool)

    return run


BASE = """
RATE = 0.7

def helper(x):
    return x * RATE

def tool(x):
    return helper(x) + 1
"""


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("+ 1", "+ 2", ["tool() changed"]),
        ("+ 1", "- 1", ["tool() changed"]),
        ("+ 1", "+ 1.0", ["tool() changed"]),
        ("x * RATE", "x / RATE", ["helper() changed"]),
        ("0.7", "0.8", ["RATE: 0.7 → 0.8"]),
        ("RATE = 0.7\n", "", ["RATE: 0.7 → undefined"]),
    ],
)
def test_edits_that_count(version: Callable[..., CodeVersion], old: str, new: str, why: list[str]) -> None:
    """S10, S11, S15: the body, a helper's body or a constant it uses changes the version, and `explain` says which."""
    before, after = version(BASE), version(BASE.replace(old, new))
    assert before.digest != after.digest
    assert explain(before.parts, after.parts) == why


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("return helper", "# why\n    return  helper"),
        lambda text: text.replace("def tool(x):\n", 'def tool(x):\n    """Says."""\n\n'),
        lambda text: text.replace("def helper(x):\n", "def helper(x):\n    '''Helps.'''\n"),
        lambda text: "\n\n# moved down\n" + text,
        lambda text: text + "\nUNUSED = 3\ndef other(): return 1\n",
        lambda text: text.replace("return helper(x) + 1", "return (helper(x)\n        + 1)"),
        lambda text: "from __future__ import annotations\n" + text,
    ],
)
def test_edits_that_do_not_count(version: Callable[..., CodeVersion], edit: Callable[[str], str]) -> None:
    """S12: comments, docstrings, white space, position and code that is not used change nothing."""
    before, after = version(BASE), version(edit(BASE))
    assert explain(before.parts, after.parts) == []
    assert before.digest == after.digest


def test_renamed_and_moved(load: Load) -> None:
    """S17, S20: a function may get another name, file or module, and definitions another order."""
    moved = """
    def renamed(x):
        return helper(x) + 1
    RATE = 0.7
    def helper(x):
        return x * RATE
    """
    where = "def tool(): return __file__, __name__"
    assert code_version(load(where).tool).digest == code_version(load(where, "elsewhere").tool).digest
    assert code_version(load(BASE).tool).digest == code_version(load(moved, "elsewhere").renamed).digest


def test_recursion_and_renaming(load: Load) -> None:
    """A function that calls itself keeps its version when it is renamed."""
    text = "def {0}(n):\n    return 1 if n < 2 else n * {0}(n - 1)\n"
    first, second = load(text.format("fact")), load(text.format("product"))
    assert code_version(first.fact).digest == code_version(second.product).digest


def test_mutual_recursion(version: Callable[..., CodeVersion]) -> None:
    """Cycles are cut, and a change anywhere in one counts."""
    text = """
    def tool(n): return True if n == 0 else odd(n - 1)
    def odd(n): return False if n == 0 else tool(n - 1)
    """
    assert version(text).digest == version(text).digest
    assert version(text).digest != version(text.replace("False", "None")).digest


def test_long_chain_of_helpers(version: Callable[..., CodeVersion]) -> None:
    """A chain of helpers longer than Python's recursion limit is followed to its end."""
    chain = "\n".join(f"def f{n}(): return f{n + 1}()" for n in range(1500))
    text = chain + "\ndef f1500(): return {}\ndef tool(): return f0()\n"
    assert version(text.format(1)).digest != version(text.format(2)).digest


MODEL = """
from __future__ import annotations
from pydantic import BaseModel, Field, field_validator

class Place(BaseModel):
    name: str = "Paris"

class Weather(BaseModel):
    '''Shown elsewhere.'''
    place: Place
    days: int = Field(3, ge=1)

    @field_validator("days")
    @classmethod
    def check(cls, value: int) -> int:
        return value + 0

def tool(weather: Weather) -> str:
    return str(weather)
"""


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("    place: Place\n", "    place: Place\n    unit: str = 'C'\n", "class Weather changed"),
        ('"Paris"', '"Rome"', "class Place changed"),
        ("ge=1", "ge=2", "class Weather changed"),
        ("value + 0", "value + 1", "Weather.check() changed"),
        ('field_validator("days")', 'field_validator("place")', "class Weather changed"),
        ("name: str", "name: str | None", "class Place changed"),
    ],
)
def test_pydantic_model_as_input(version: Callable[..., CodeVersion], old: str, new: str, part: str) -> None:
    """S19: a model used as an input counts by fields, defaults, constraints and validators, and so do models in it."""
    before, after = version(MODEL), version(MODEL.replace(old, new))
    assert before.digest != after.digest
    assert part in explain(before.parts, after.parts)


def test_model_docstring_and_types(version: Callable[..., CodeVersion]) -> None:
    """A class's docstring does not count; classes are handed out for reviving values; pydantic counts by version."""
    before = version(MODEL)
    assert before.digest == version(MODEL.replace("Shown elsewhere.", "Else.")).digest
    assert {cls.__name__ for cls in before.types.values()} == {"Place", "Weather"}
    assert before.parts["pydantic"].startswith("2.")


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("class A:\n  n = 1\n  def f(self): return self.n\ndef tool(): return A().f()", "n = 1", "n = 2"),
        ("class A:\n  def f(self): return 1\nclass B(A): pass\ndef tool(): return B().f()", "1", "2"),
        ("class A:\n  @staticmethod\n  def f(): return 1\ndef tool(): return A.f()", "1", "2"),
        ("class A:\n  @property\n  def f(self): return 1\ndef tool(): return A().f", "1", "2"),
        (
            "import functools\nclass A:\n  @functools.cached_property\n  def f(self): return 1\ntool = A",
            "1",
            "2",
        ),
        ("class A:\n  def __init__(self, n): self.n = n\na = A(1)\ndef tool(): return a.n", "A(1)", "A(2)"),
        (
            "class A:\n  def __init__(self, n): self.n = n\n  def f(self): return self.n\ntool = A(1).f",
            "(1)",
            "(2)",
        ),
        ("class A:\n  def f(self): return g()\ndef g(): return 1\ntool = A.f", "1", "2"),
        ("class A:\n  def f(self): return self.g()\n  def g(self): return 1\ntool = A.f", "1", "2"),
        (
            "from dataclasses import dataclass\n@dataclass\nclass A:\n  n: int = 1\ndef tool(a: A): pass",
            "1",
            "2",
        ),
        (
            "from dataclasses import dataclass\n@dataclass\nclass A:\n  n: int\na=A(1)\ndef tool(): a",
            "A(1)",
            "A(2)",
        ),
        ("import enum\nclass C(enum.Enum):\n  R = 1\ndef tool(c: C): pass", "R = 1", "R = 2"),
        ("import enum\nclass C(enum.Enum):\n  R = 1\n  G = 2\nC0 = C.R\ndef tool(): C0", "C.R", "C.G"),
        ("from typing import TypedDict\nclass T(TypedDict):\n  n: int\ndef tool(t: T): pass", "int", "str"),
        ("class A:\n  n = 1\ndef tool(a: 'list[A]'): pass", "n = 1", "n = 2"),
        ("class A:\n  n = 1\ndef tool(a: 'A | None'): pass", "n = 1", "n = 2"),
        ("def make(n):\n  def inner(): return n\n  return inner\ntool = make(1)", "make(1)", "make(2)"),
        ("def make(f):\n  return lambda: f()\ndef g(): return 1\ntool = make(g)", "1", "2"),
        (
            "def make(n):\n  return lambda: n\na, b = make(1), make(2)\ndef tool(): return a() - b()",
            "1), make(2",
            "2), make(1",
        ),
        ("import functools\ndef f(a, b): return a\ntool = functools.partial(f, 1)", ", 1)", ", 2)"),
        ("import functools\ndef f(a, b): return a\ntool = functools.partial(f, 1)", "return a", "return b"),
        ("tool = lambda x: x + 1", "1", "2"),
        ("other, tool = (lambda x: x + 1), (lambda x: x + 2)", "x + 2)", "x + 3)"),
        ("def f(): return 1\nHANDLERS = {'a': f}\ndef tool(k): return HANDLERS[k]()", "1", "2"),
        ("def f(): return 1\ndef g(): return 2\nH = {'a': f}\ndef tool(k): return H[k]()", "f}", "g}"),
        ("async def f(): return 1\nasync def tool(): return await f()", "1", "2"),
        ("async def tool(): return 1", "async ", ""),
        ("def f(): return 1\ndef tool(): return [f() for _ in range(3)]", "return 1", "return 2"),
        ("def f(): return 1\ndef tool():\n  class L:\n    n = f()\n  return L", "1", "2"),
        ("def f(): return 1\ndef tool(): return (lambda: f())()", "1", "2"),
        ("N = 1\ndef tool(x=N): return x", "N = 1", "N = 2"),
        ("N = 1\ndef tool(*, x=N): return x", "N = 1", "N = 2"),
        ("D = {'a': [1, (2, None)]}\ndef tool(): return D", "2", "3"),
        ("from pathlib import Path\nP = Path('a')\ndef tool(): return P", "'a'", "'b'"),
        ("import re\nP = re.compile('a')\ndef tool(): return P", "'a'", "'b'"),
        ("from datetime import date\nD = date(2024, 1, 1)\ndef tool(): return D", "4, 1", "4, 2"),
        ("from numpy import sin as f\ndef tool(): return f(1)", "sin", "cos"),
        ("from math import sin as f\ndef tool(): return f(1)", "sin", "cos"),
        ("from json import dumps as f\ndef tool(): return f(1)", "dumps", "loads"),
        ("import numpy as np\nA = np.array([1, 2])\ndef tool(): return A", "2]", "3]"),
        ("MAX_TOKENS = 100\ndef tool(): return MAX_TOKENS", "100", "200"),
        ("SORT_KEY = 'a'\ndef tool(): return SORT_KEY", "'a'", "'b'"),
    ],
)
def test_what_is_followed(version: Callable[..., CodeVersion], text: str, old: str, new: str) -> None:
    """Whatever way code or a value is reached, a change of it changes the version; the same text keeps it."""
    assert old in text
    before, after = version(text), version(text.replace(old, new))
    assert before.digest == version("\n# moved\n" + text).digest
    assert before.digest != after.digest
    assert explain(before.parts, after.parts)


DECORATED = """
import functools

def twice(times):
    def wrap(func):
        @functools.wraps(func)
        def inner(*args):
            return [func(*args) for _ in range(times)]
        return inner
    return wrap

def log(func):
    return func

@twice(2)
def tool(x):
    return x + 1
"""


def test_decorated_functions(version: Callable[..., CodeVersion]) -> None:
    """A user's decorator counts by what it wraps around the function, one that returns the function not at all."""
    before = version(DECORATED)
    assert before.digest != version(DECORATED.replace("x + 1", "x + 2")).digest
    assert before.digest != version(DECORATED.replace("@twice(2)", "@twice(3)")).digest
    assert before.digest != version(DECORATED.replace("func(*args) for", "func(args) for")).digest
    assert before.digest == version(DECORATED.replace("@twice(2)", "@twice(2)\n@log")).digest


def test_lru_cache_is_looked_through(version: Callable[..., CodeVersion]) -> None:
    """A function cached by functools counts by its own code."""
    text = "import functools\n@functools.lru_cache\ndef f(): return 1\ndef tool(): return f()"
    assert version(text).digest != version(text.replace("return 1", "return 2")).digest


def test_user_modules(load: Load) -> None:
    """Functions and constants reached through another user module count one by one; a module passed on, as a whole."""
    tool = "import settings\ndef tool(): return settings.RATE + settings.f()\n"
    passed = "import settings\ndef tool(): return vars(settings)\n"
    inside = "def tool():\n    from settings import f\n    return f()\n"

    def versions(settings: str) -> list[str]:
        load(settings, "settings")
        return [code_version(load(text).tool).digest for text in (tool, passed, inside)]

    base = versions("RATE = 1\nOTHER = 1\ndef f(): return 1\n")
    unused = versions("RATE = 1\nOTHER = 2\ndef f(): return 1\n")
    constant = versions("RATE = 2\nOTHER = 1\ndef f(): return 1\n")
    helper = versions("RATE = 1\nOTHER = 1\ndef f(): return 2\n")
    assert [a == b for a, b in zip(base, unused, strict=True)] == [True, False, True]
    assert [a == b for a, b in zip(base, constant, strict=True)] == [False, False, True]
    assert [a == b for a, b in zip(base, helper, strict=True)] == [False, False, False]


@pytest.mark.parametrize(
    "text",
    [
        "n = 0\ndef tool():\n    global n\n    n += 1",
        "c = None\ndef tool():\n    global c\n    if c is None: c = dict()\n    return c",
        "CALLS = []\ndef tool(): CALLS.append(1)",
        "LOG = {}\ndef note(): LOG['a'] = 1\ndef tool(): note()",
        "stats = {'n': 0}\ndef tool(): stats['n'] += 1",
        "stats = {'a': {'n': 0}}\ndef tool(): stats['a']['n'] += 1",
        "stats = {}\ndef tool(): stats.setdefault('a', []).append(1)",
        "D = {'a': 1}\ndef tool(): D.pop('a', None)",
        "D = {'a': 1}\ndef tool():\n    if D: del D['a']",
        "class C:\n    n = 0\ndef tool(): C.n += 1",
        "class C:\n    n = 0\n    @classmethod\n    def up(cls): cls.n += 1\ndef tool(): C.up()",
        "class C:\n    def __init__(self): self.n = 0\n    def up(self): self.n += 1\nc = C()\ndef tool(): c.up()",
        "class C:\n    pass\nc = C()\ndef tool(): c.n = getattr(c, 'n', 0) + 1",
        "def tool(seen=[]): seen.append(1)",
        "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n    return up\ntool = make()",
        "def make():\n    seen = []\n    def up(): seen.append(1)\n    return up\ntool = make()",
        "import functools\n@functools.cache\ndef f(): return 1\ndef tool(): return f()",
        "def tool(): tool.calls = 1",
        "class C: pass\nc = None\ndef tool():\n    global c\n    c = c or C()",
        "def tool():\n    global new\n    new = 1\n    return new",
    ],
)
def test_running_changes_nothing(load: Load, text: str) -> None:
    """What the code itself changes is state: a run does not make a new version."""
    tool = load(text).tool
    before = code_version(tool)
    tool()
    tool()
    after = code_version(tool)
    assert explain(before.parts, after.parts) == []
    assert before.digest == after.digest


def test_class_of_a_changed_object_counts(version: Callable[..., CodeVersion]) -> None:
    """An object that the code changes counts by its class, whose methods are still followed."""
    text = "class C:\n    def f(self): return 1\nc = C()\ndef tool():\n    c.n = 1\n    return c.f()"
    assert version(text).digest != version(text.replace("return 1", "return 2")).digest


def test_constants_are_read_again(load: Load) -> None:
    """A constant set from outside between two calls counts at the next one, though the code is the same object."""
    module = load(BASE)
    before = code_version(module.tool)
    module.RATE = 0.9
    assert explain(before.parts, code_version(module.tool).parts) == ["RATE: 0.7 → 0.9"]


@pytest.mark.parametrize("name", ["API_KEY", "OPENAI_API_KEY", "HF_TOKEN", "db_password", "CLIENT_SECRET"])
def test_keys_do_not_count(version: Callable[..., CodeVersion], name: str) -> None:
    """S14: a rotated key changes no version and is never shown, wherever it is held."""
    text = f"""
    class Client:
        def __init__(self, {name}): self.{name} = {name}
    {name} = "abcdefghij0123456789"
    client = Client({name})
    options = {{"{name}": {name}}}
    def tool(): return {name}, client, options
    """
    before = version(text)
    assert before.digest == version(text.replace("abcdefghij", "zyxwvutsrq")).digest
    assert "abcdefghij" not in str(before.parts)


def test_secret_looking_values_are_not_shown(version: Callable[..., CodeVersion]) -> None:
    """Names with KEY, TOKEN, SECRET or PASSWORD, and texts shaped like keys, are explained by a hash only."""
    parts = version("SORT_KEY = 'abc'\nH = 'Bearer abc'\nN = 'x' * 99\ndef tool(): return SORT_KEY, H, N").parts
    assert all(parts[name].endswith("…") for name in ("SORT_KEY", "H", "N"))


def test_opaque(load: Load) -> None:
    """What is marked opaque never counts, nor what only it uses."""
    text = """
    from polos_nb.durable.code_version import opaque
    MODE = 1
    @opaque
    def log(x): print(x, MODE)
    @opaque
    class Settings:
        n = 1
    settings = Settings()
    def tool(): log(settings.n)
    """
    before, after = load(text), load(text.replace("1", "2").replace("print(x", "print(0"))
    assert code_version(before.tool).digest == code_version(after.tool).digest
    assert list(code_version(before.tool).parts) == ["tool()"]
    assert opaque(before.tool) is before.tool


def test_declared(load: Load) -> None:
    """`version=` replaces the code altogether; the classes are still collected."""
    one, two = load(MODEL), load(MODEL.replace("str(weather)", "repr(weather)"))
    assert code_version(one.tool, declared=3).digest == code_version(two.tool, declared="3").digest
    assert code_version(one.tool, declared=3).digest != code_version(one.tool, declared=4).digest
    assert code_version(one.tool, declared=3).parts == {"version": "3"}
    assert len(code_version(one.tool, declared=3).types) == 2


def test_packages_count_by_version(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package counts by its version, the standard library by name, a client by its type."""
    tool = load(
        "import json, logging\nimport numpy as np\nL = logging.getLogger('a')\ndef tool(): L, np.ones(1), json"
    ).tool
    before = code_version(tool)
    assert before.parts["json"] == "stdlib"
    assert before.parts["L"] == "logging.Logger"
    monkeypatch.setattr("numpy.__version__", "0.0.1")
    code_values.package_version.cache_clear()
    after = code_version(tool)
    code_values.package_version.cache_clear()
    assert explain(before.parts, after.parts) == [f"numpy: {before.parts['numpy']} → 0.0.1"]
    assert before.digest != after.digest


def test_own_package_does_not_count(load: Load) -> None:
    """polos_nb's own code and objects have no part; the function inside a declaration has."""
    text = """
    from polos_nb.durable.code_version import explain
    class Tool:
        __polos_declaration__ = True
        def __init__(self, func): self.func = func
    class Agent:
        __polos_declaration__ = True
        id = "helper"
        def __polos_version__(self): return "prompt 1"
    @Tool
    def inner(): return 1
    agent = Agent()
    def tool(): return explain({}, {}), inner, agent
    """
    before = code_version(load(text).tool)
    assert sorted(before.parts) == ["agent helper", "inner()", "tool()"]
    assert before.digest != code_version(load(text.replace("return 1", "return 2")).tool).digest
    assert before.digest != code_version(load(text.replace("prompt 1", "prompt 2")).tool).digest


def test_equal_names_are_told_apart(load: Load) -> None:
    """Two helpers of one name in two modules have a part each."""
    load("def helper(): return 1\n", "first")
    load("def helper(): return 2\n", "second")
    parts = code_version(load("import first, second\ndef tool(): return first.helper(), second.helper()").tool).parts
    assert sorted(parts) == ["first.helper()", "second.helper()", "tool()"]


def test_no_source(load: Load) -> None:
    """Without a source the byte code counts, and the names in it are followed."""

    def make(text: str) -> Any:
        scope: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(textwrap.dedent(text), "<string>", "exec", dont_inherit=True), scope)
        return scope["tool"]

    text = "N = 1\nCALLS = []\ndef f(x): return x + N\ndef tool(x):\n    'doc'\n    CALLS.append(x)\n    return f(x)\n"
    before = code_version(make(text))
    assert before.digest == code_version(make("\n\n" + text.replace("doc", "text"))).digest
    assert before.digest != code_version(make(text.replace("N = 1", "N = 2"))).digest
    assert before.digest != code_version(make(text.replace("x + N", "x - N"))).digest
    assert before.parts["CALLS"] == "list"


def test_file_edited_after_import(load: Load) -> None:
    """The running code counts, not the file that was edited since it was imported."""
    module = load("def helper(): return 1\ndef tool(): return helper()\n")
    path = Path(str(module.__file__))
    path.write_text("# new line\ndef helper(): return 2\ndef tool(): return helper()\n")
    linecache.clearcache()
    stale = code_version(module.tool)
    fresh: dict[str, Any] = {"__name__": "user_code"}
    exec(compile(path.read_text(), str(path), "exec"), fresh)
    assert explain(stale.parts, code_version(fresh["tool"]).parts) == ["helper() changed"]


SCRIPT = """
import sys
sys.path[:0] = sys.argv[1:]
from dataclasses import dataclass
from polos_nb.durable.code_version import code_version
class Client: pass
@dataclass
class Item:
    tags: frozenset = frozenset({"a", "b", "c"})
NAMES = {"x", "y", "z", "w"}
client = Client()
MORE = {"f": lambda x: x in {"p", "q", "r"}, "c": client, "o": object()}
def helper(x): return x in NAMES, MORE
def tool(item: Item): return helper(item), client
print(code_version(tool).digest, code_version(tool).parts)
"""


def test_same_in_every_process(tmp_path: Path) -> None:
    """Neither the process, nor its hash seed, nor the place of the file changes a version."""
    answers = set()
    root = str(Path(code_values.__file__).parents[2])
    for seed in ("1", "2"):
        file = tmp_path / seed / f"script_{seed}.py"
        file.parent.mkdir()
        file.write_text(SCRIPT)
        command = [sys.executable, str(file), root]
        environment = {"PYTHONHASHSEED": seed, "PATH": ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        answers.add(done.stdout)
    assert len(answers) == 1


def test_explain_new_and_gone() -> None:
    """`explain` names what came and what went."""
    assert explain({"old_helper()": "a…"}, {"log()": "b…"}) == [
        "log() is new",
        "old_helper() is no longer used",
    ]


def test_builtin_and_bound_functions() -> None:
    """Any callable has a version: builtins, library functions, methods of values."""
    for func in (len, [].append, functools.reduce, str.upper, dict, textwrap.dedent):
        assert code_version(func).digest == code_version(func).digest
    assert code_version(len).digest != code_version(max).digest
