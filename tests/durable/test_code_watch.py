"""A version is only given again when working it out anew would give the same."""

from __future__ import annotations

import gc
import importlib
import linecache
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from polos_nb.durable import code_version as versions
from polos_nb.durable.code_version import CodeVersion, code_version

_cells = iter(range(10**6))


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    versions._known.clear()
    yield
    versions._known.clear()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Execute cells in one namespace."""
    module = ModuleType("watched")
    monkeypatch.setitem(sys.modules, "watched", module)

    def execute(text: str) -> ModuleType:
        text, name = textwrap.dedent(text), f"<ipython-input-{next(_cells)}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec", dont_inherit=True), vars(module))
        return module

    return execute


def worked_out(func: Callable[..., Any]) -> CodeVersion:
    """The version without anything that is known."""
    kept = dict(versions._known)
    versions._known.clear()
    found = code_version(func)
    versions._known.clear()
    versions._known.update(kept)
    return found


def is_known(func: Callable[..., Any]) -> bool:
    """Whether a second question is answered from what is known."""
    return code_version(func) is code_version(func)


HELPER = "def helper(x): return x + 1\ndef tool(x): return helper(x)"
METHOD = "class A:\n    def f(self): return 1\ndef tool(): return A().f()"
MODEL = """
import pydantic
class M(pydantic.BaseModel):
    n: int = {}
    def f(self): return 1
def tool(m: M): return m
"""
DATA = "import dataclasses\n@dataclasses.dataclass\nclass D:\n    n: list = dataclasses.field(default_factory={})\n"
WRAPPED = """
import functools
def twice(f):
    @functools.wraps(f)
    def inner(x): return f(f(x))
    return inner
def plain(x): return x + 1
tool = twice(plain)
"""
MAKE = "def make(n):\n    def inner(): return n\n    return inner\nf = make(1)\ndef tool(): return f()"
STATE = "COUNT = 0\ndef tool():\n    global COUNT\n    COUNT += 1\n"
ALIAS = "class C:\n    n = 0\nc = C()\nd = c\ndef tool():\n    c.n = 1\n    return d"
HANDLERS = """
X = 1
H = {}
def touch(): X.append(1)
def other(): pass
H['a'] = touch
def tool():
    H['b'] = 1
    return X
"""

CHANGES = {
    "a helper is defined again": (HELPER, "def helper(x): return x + 2"),
    "a helper's code is replaced": (HELPER, "def other(x): return x + 2\nhelper.__code__ = other.__code__"),
    "the code of the function itself is replaced": (HELPER, "tool.__code__ = (lambda x: helper(x) + 5).__code__"),
    "a helper is deleted": (HELPER, "del helper"),
    "a helper becomes a value": (HELPER, "helper = 3"),
    "a helper of a helper": ("def a(): return 1\ndef b(): return a()\ndef tool(): return b()", "def a(): return 2"),
    "a name that was not there is defined": ("def tool(): return later", "later = 1"),
    "a built-in name is defined": ("def tool(x): return len(x)", "def len(x): return 0"),
    "a name is put into builtins": ("def tool(): return new_name", "import builtins\nbuiltins.new_name = 1"),
    "a constant": ("N = 1\ndef tool(): return N", "N = 2"),
    "a constant becomes a float": ("N = 1\ndef tool(): return N", "N = 1.0"),
    "a tuple is replaced": ("T = (1, (2, 3))\ndef tool(): return T", "T = (1, (2, 4))"),
    "a list in a tuple": ("T = (1, [2, 3])\ndef tool(): return T", "T[1].append(4)"),
    "a list in a large tuple": ("T = (*range(2000), [])\ndef tool(): return T", "T[-1].append(4)"),
    "a list": ("L = [1]\ndef tool(): return L[0]", "L[0] = 2"),
    "a dict in a dict": ("D = {'a': {'b': 1}}\ndef tool(): return D['a']", "D['a']['b'] = 2"),
    "a set": ("S = {1}\ndef tool(): return S", "S.add(2)"),
    "a deque": ("import collections\nS = collections.deque()\ndef tool(): return S", "S.append(2)"),
    "a bytearray": ("B = bytearray(b'a')\ndef tool(): return B", "B[0] = 0"),
    "an array": ("import numpy as np\nA = np.array([1])\ndef tool(): return A", "A[0] = 2"),
    "a function in a tuple": ("def f(): return 1\nT = (f,)\ndef tool(): return T[0]()", "T = (lambda: 2,)"),
    "the code of a function in a tuple": (
        "def f(): return 1\nT = (f,)\ndef tool(): return T[0]()",
        "f.__code__ = (lambda: 2).__code__",
    ),
    "a default": ("def helper(x=1): return x\ndef tool(): return helper()", "helper.__defaults__ = (2,)"),
    "a default list": ("def helper(x=[]): return x\ndef tool(): return helper()", "helper.__defaults__[0].append(1)"),
    "the default list of the function itself": ("def tool(x=[]): return x", "tool.__defaults__[0].append(1)"),
    "a keyword default": ("def helper(*, x=1): pass\ndef tool(): return helper()", "helper.__kwdefaults__['x'] = 2"),
    "an annotation": ("def tool(x: 'int'): return x\nclass A: n = 1", "tool.__annotations__['x'] = A"),
    "what an annotation names": ("class A: n = 1\ndef tool(x: 'A'): return x", "class A: n = 2"),
    "a method is defined again": (METHOD, METHOD.partition("\ndef tool")[0].replace("1", "2")),
    "a method is replaced": (METHOD, "A.f = lambda self: 2"),
    "a method's code is replaced": (METHOD, "A.f.__code__ = (lambda self: 2).__code__"),
    "a method is added": (METHOD, "A.g = lambda self: 2"),
    "a method of a base": ("class B:\n    def f(self): return 1\nclass A(B): pass\ndef tool(): return A().f()",
                           "B.f = lambda self: 2"),
    "another base": ("class B:\n    n = 1\nclass C:\n    n = 2\nclass A(B): pass\ndef tool(): return A.n",
                     "A.__bases__ = (C,)"),
    "an attribute of a class": ("class A:\n    n = 1\ndef tool(): return A.n", "A.n = 2"),
    "a list of a class": ("class A:\n    n = [1]\ndef tool(): return A.n", "A.n.append(2)"),
    "a static method": ("class A:\n    @staticmethod\n    def f(): return 1\ndef tool(): return A.f()",
                        "A.f = staticmethod(lambda: 2)"),
    "a property": ("class A:\n    @property\n    def f(self): return 1\ndef tool(): return A().f",
                   "A.f.fget.__code__ = (lambda self: 2).__code__"),
    "a cached property": ("import functools\nclass A:\n    @functools.cached_property\n    def f(self): return 1\n"
                          "def tool(): return A().f", "vars(A)['f'].func = lambda self: 2"),
    "a cached function": ("import functools\n@functools.cache\ndef f(): return 1\ndef tool(): return f()",
                          "f.__wrapped__ = lambda: 2"),
    "the annotations of a class": ("class A:\n    n: int\ndef tool(a: A): pass\nclass B: pass",
                                   "A.__annotations__['n'] = B"),
    "an attribute of an instance": ("class A:\n    n = 1\na = A()\ndef tool(): return a.n", "a.n = 2"),
    "a field of a model is defined again": (MODEL.format(1), MODEL.format(2).partition("\ndef tool")[0]),
    "the default of a model's field": (MODEL.format(1), "M.model_fields['n'].default = 2"),
    "the default list of a model's field": (MODEL.format("[]"), "M.model_fields['n'].default.append(2)"),
    "the description of a model's field": (MODEL.format(1), "M.model_fields['n'].description = 'why'"),
    "a constraint of a model's field": (
        MODEL.format(1), "import annotated_types\nM.model_fields['n'].metadata.append(annotated_types.Ge(2))"),
    "a method of a model": (MODEL.format(1), "M.f = lambda self: 2"),
    "the default of a dataclass": (
        DATA.format("list") + "def tool(d: D): pass", "D.__dataclass_fields__['n'].default_factory = dict"),
    "a member of an enum": ("import enum\nclass C(enum.Enum):\n    A = 1\ndef tool(): return C.A",
                            "class C(enum.Enum):\n    A = 2"),
    "a closure's variable": (MAKE, "f.__closure__[0].cell_contents = 2"),
    "the own closure's variable": (
        "def make(n):\n    def inner(): return n\n    return inner\ntool = make(1)",
        "tool.__closure__[0].cell_contents = 2"),
    "a list in a closure": (MAKE.replace("make(1)", "make([1])"), "f.__closure__[0].cell_contents.append(2)"),
    "another closure of the same code": (MAKE, "f = make(2)"),
    "a decorated function": (WRAPPED, "plain.__code__ = (lambda x: x + 2).__code__"),
    "what a decorator says it wraps": (WRAPPED, "tool.__wrapped__ = lambda x: x + 2"),
    "the keywords of a partial": (
        "import functools\ndef f(x): return x\np = functools.partial(f, x=1)\ndef tool(): return p()",
        "p.keywords['x'] = 2"),
    "a partial is replaced": (
        "import functools\ndef f(x): return x\np = functools.partial(f, 1)\ndef tool(): return p()",
        "p = functools.partial(f, 2)"),
    "a bound method": ("class A:\n    n = 1\n    def f(self): return self.n\na = A()\nf = a.f\ndef tool(): return f()",
                       "a.n = 2"),
    "a list that the code changes becomes a dict": ("L = []\ndef tool(): L.append(1)", "L = {}"),
    "another name of a changed object": (ALIAS, "c = C()\nd.n = 7"),
    "code in a changed dict": (HANDLERS, "H['a'] = other"),
    "a function is made opaque": (HELPER, "helper.__polos_opaque__ = True"),
    "a class is made opaque": (METHOD, "A.__polos_opaque__ = True"),
    "an imported class is made opaque": (
        "from json import JSONDecoder as J\ndef tool(): return J",
        "J = type('J', (), {'__polos_opaque__': True})"),
    "an import inside the function": (
        "import sys, types\nsys.modules['watched_m'] = m = types.ModuleType('watched_m')\nm.N = 1\n"
        "def tool():\n    from watched_m import N\n    return N", "m.N = 2"),
    "a module that is imported inside is replaced": (
        "import sys, types\nsys.modules['watched_m'] = m = types.ModuleType('watched_m')\nm.N = 1\n"
        "def tool():\n    import watched_m\n    return watched_m.N",
        "sys.modules['watched_m'] = m = types.ModuleType('watched_m')\nm.N = 2"),
    "an attribute of a module": ("import types\nm = types.ModuleType('watched_m')\nm.N = 1\ndef tool(): return m.N",
                                 "m.N = 2"),
    "a function of a module": (
        "import types\nm = types.ModuleType('watched_m')\nm.f = lambda: 1\ndef tool(): m.f()", "m.f = lambda: 2"),
    "an attribute that a module has not": (
        "import types\nm = types.ModuleType('watched_m')\ndef tool(): return m.N", "m.N = 2"),
    "a method finds its class again": (
        "class A:\n    n = 1\n    def f(self): return 2\ntool = A.f\nA.f = None", "A.f = tool"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(notebook: Callable[[str], ModuleType], change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is changed behind the function, wherever it is held: its version is the one that is worked out anew."""
    text, edit = CHANGES[change]
    monkeypatch.setitem(sys.modules, "watched_m", ModuleType("watched_m"))
    monkeypatch.setattr("builtins.new_name", None, raising=False)
    monkeypatch.delattr("builtins.new_name")
    tool = notebook(text).tool
    before = code_version(tool)
    assert code_version(tool).digest == before.digest == worked_out(tool).digest
    notebook(edit)
    after = code_version(tool)
    assert after.digest != before.digest
    assert after == worked_out(tool)


def test_a_change_that_is_taken_back(notebook: Callable[[str], ModuleType]) -> None:
    """After a change and its undoing the first version comes back."""
    module = notebook(HELPER)
    first, helper = code_version(module.tool), module.helper
    notebook("def helper(x): return x + 2")
    assert code_version(module.tool).digest != first.digest
    vars(module)["helper"] = helper
    assert code_version(module.tool).digest == first.digest


@pytest.mark.parametrize(
    "text",
    [
        HELPER,
        METHOD,
        MODEL.format(1),
        DATA.format("list") + "def tool(d: D): pass",
        WRAPPED,
        MAKE,
        STATE,
        "T = (1, ('a', None))\ndef tool(): return T",
        "import enum\nclass C(enum.Enum):\n    A = 1\ndef tool(c: C): return C.A",
        "import json, numpy as np\ndef tool(x): return json.dumps(np.ones(1)), np.sin(x), print",
        "import logging\nlog = logging.getLogger('a')\ndef tool(): log.info('a')",
        "SEEN = []\ndef tool(): SEEN.append(1)",
        "class A:\n    @property\n    def f(self): return 1\n    @staticmethod\n    def g(): pass\ndef tool(): A",
    ],
)
def test_what_is_known(notebook: Callable[[str], ModuleType], text: str) -> None:
    """What cannot have changed is not read again: functions, classes, models, constants, packages, own counters."""
    assert is_known(notebook(text).tool)


def test_running_keeps_it_known(notebook: Callable[[str], ModuleType]) -> None:
    """A counter or a list that the function itself changes is no reason to work its version out again."""
    tool = notebook(STATE + "    SEEN.append(1)\nSEEN = []").tool
    before = code_version(tool)
    tool()
    assert code_version(tool) is before


def test_a_function_made_again(notebook: Callable[[str], ModuleType]) -> None:
    """A lambda made anew in each turn has the version of its code and of what it closes over."""
    module = notebook("def helper(x): return x\ndef make(n): return lambda: helper(n)")
    assert code_version(module.make(1)) is code_version(module.make(1))
    assert code_version(module.make(1)).digest != code_version(module.make(2)).digest
    assert code_version(module.make(2)).digest == worked_out(module.make(2)).digest


def test_a_copy_of_a_recursive_function(notebook: Callable[[str], ModuleType]) -> None:
    """A copy that calls the original is another function than the original, which calls itself."""
    tool = notebook("def tool(n): return n and tool(n - 1)").tool
    copy = FunctionType(tool.__code__, tool.__globals__)
    assert code_version(tool).digest == worked_out(tool).digest
    assert code_version(copy).digest == worked_out(copy).digest


def test_the_same_code_elsewhere(notebook: Callable[[str], ModuleType]) -> None:
    """The same code with another namespace is another function."""
    tool = notebook("N = 1\ndef tool(): return N").tool
    other = FunctionType(tool.__code__, {**tool.__globals__, "N": 2})
    before = code_version(tool)
    assert code_version(other).digest == worked_out(other).digest != before.digest
    assert code_version(tool).digest == before.digest


def test_declared_versions_are_apart(notebook: Callable[[str], ModuleType]) -> None:
    """What is known of a function with a declared version is not given without it, nor for another one."""
    tool = notebook(HELPER).tool
    found = {code_version(tool, declared=declared).digest for declared in (None, 1, 2, None, 1, 2)}
    assert len(found) == 3


def test_a_cell_executed_again(notebook: Callable[[str], ModuleType]) -> None:
    """A cell that is executed again unchanged keeps the version; edited, it gives another one each time."""
    first = code_version(notebook(HELPER).tool).digest
    assert code_version(notebook(HELPER).tool).digest == first
    seen = {code_version(notebook(HELPER.replace("+ 1", f"+ {n}")).tool).digest for n in range(1, 40)}
    assert len(seen) == 39
    assert first in seen


def test_methods_replaced_many_times(notebook: Callable[[str], ModuleType]) -> None:
    """A method whose code takes the place in memory of an earlier one's is not taken for it."""
    module = notebook(METHOD)
    seen = set()
    for number in range(40):
        notebook(f"class A:\n    def f(self): return {number}")
        method = module.A.f
        del module.A.f
        gc.collect()
        module.A.f = method
        seen.add(code_version(module.tool).digest)
    assert len(seen) == 40


def test_a_module_reloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After importlib.reload the functions, classes and constants of a module are those of the edited file."""
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "watched_file.py"
    text = "N = 1\nclass A:\n    def f(self): return 1\ndef helper(): return N, A().f()\n"
    file.write_text(text)
    settings = importlib.import_module("watched_file")
    monkeypatch.delitem(sys.modules, "watched_file")
    monkeypatch.setitem(sys.modules, "watched_file", settings)
    namespace: dict[str, Any] = {"__name__": "elsewhere", "settings": settings}
    exec("def tool(): return settings.helper()", namespace)
    tool = namespace["tool"]
    seen = [code_version(tool).digest]
    for number, edited in enumerate((text.replace("N = 1", "N = 2"), text.replace("return 1", "return 22"), text)):
        file.write_text(edited + "\n" * (number + 1))  # another size: the compiled file goes by that and the second
        importlib.invalidate_caches()
        importlib.reload(settings)
        seen.append(code_version(tool).digest)
        assert seen[-1] == worked_out(tool).digest
    assert len(set(seen)) == 3
    assert seen[0] == seen[-1]


def test_what_is_known_is_bounded(notebook: Callable[[str], ModuleType]) -> None:
    """Cells executed for hours keep no more than a few hundred functions alive."""
    for number in range(300):
        code_version(notebook(f"def tool(): return {number}").tool)
    assert len(versions._known) <= versions._MAX_KNOWN


def test_numbers_of_many_digits(notebook: Callable[[str], ModuleType]) -> None:
    """A number that Python refuses to write in decimal digits counts by its value like any other."""
    text = """
    import fractions
    N = {0}
    F = fractions.Fraction(N, 3)
    D = {{N: range(N)}}
    def tool(x=N): return F, D, {0}
    """
    digests = [code_version(notebook(text.format(hex(n << 20_000))).tool).digest for n in (1, 3, 1)]
    assert digests[0] == digests[2]
    assert digests[0] != digests[1]
