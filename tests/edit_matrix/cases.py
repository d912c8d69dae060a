"""The programs of the edit matrix: v1, what is edited, and which steps may execute again."""

from __future__ import annotations

from dataclasses import dataclass, field

PRELUDE = '''
import asyncio, json, os, signal
from pydantic import BaseModel
from polos_nb import Agent, ScriptedModel, Turn, WorkflowContext, opaque, tool

@opaque
def executed(name):
    """One line in the journal for each step that really executes; may kill this process, as a crash would."""
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(name + "\\n")
    with open(os.environ["JOURNAL"]) as journal:
        count = len(journal.readlines())
    if os.environ.get("KILL_AT") == str(count):
        os.kill(os.getpid(), signal.SIGKILL)
    return count

def model(answer):
    def script(request):
        executed("llm")
        said = answer(request)
        return said if isinstance(said, Turn) else Turn(text=str(said))
    return ScriptedModel(script)

def last(request):
    return request.messages[-1].text()

asker = Agent(id="asker", model=model(lambda request: "<" + last(request).strip().lower() + ">"))

async def ask(prompt):
    return (await asker.run(prompt)).result

def show(value):
    with open(os.environ["RESULT"], "w") as out:
        json.dump(value, out)
'''

CHAIN = """
# %%
async def main():
    text = "start"
    for place in range(5):
        prompt = ["one", "two", "three", "four", "five"][place] + " after " + text
        text = await ask(prompt)
    show(text)

asyncio.run(main())
"""

LIST = """
# %%
async def main():
    show([await ask(item) for item in ["a", "b", "c", "d"]])

asyncio.run(main())
"""

FOUR = """
# %%
async def first():
    return await ask("first")

async def main():
    answers = {}
    answers["alpha"] = await ask("alpha")
    answers["beta"] = await ask("beta")
    answers["gamma"] = await ask("gamma")
    show(sorted(answers.items()))

asyncio.run(main())
"""

SAMPLES = """
# %%
sampler = Agent(id="sampler", model=model(lambda request: "sample %d" % len(open(os.environ["JOURNAL"]).readlines())))

async def main():
    show([(await sampler.run("say something")).result for _ in range(3)])

asyncio.run(main())
"""

PARALLEL = """
# %%
async def main():
    names = ["left", "middle", "right"]
    answers = await asyncio.gather(*(ask(name) for name in names))
    show(sorted(answers))

asyncio.run(main())
"""

TOOL = '''
# %%
RATE = 2

# %%
def helper(value):
    return value * RATE

# %%
class Order(BaseModel):
    amount: int

# %%
@tool(id="price", description="Price of an order")
async def price(ctx: WorkflowContext, input: Order):
    """How it is done."""
    executed("price")
    return {"price": helper(input.amount) + 1}

# %%
def answer(request):
    if request.messages[-1].role == "tool":
        return "It costs " + last(request)
    return Turn(calls=[("price", {"amount": 5})])

clerk = Agent(id="clerk", model=model(answer), tools=[price])

# %%
async def main():
    show((await clerk.run("How much?")).result)

asyncio.run(main())
'''

WRITES = """
# %%
FILE = os.environ["RESULT"] + ".data"

@tool(description="Write", effect="write")
def write(text: str) -> str:
    executed("write")
    open(os.environ["RESULT"] + ".data", "w").write(text)
    return "ok"

@tool(description="Read")
def read() -> str:
    executed("read")
    return open(os.environ["RESULT"] + ".data").read()

def answer(request):
    said = [m for m in request.messages if m.role == "tool"]
    if not said:
        return Turn(calls=[("write", {"text": request.messages[0].text()})])
    if len(said) == 1:
        return Turn(calls=[("read", {})])
    return last(request)

scribe = Agent(id="scribe", model=model(answer), tools=[write, read], system_prompt="v1")

# %%
async def main():
    show((await scribe.run("go")).result)

asyncio.run(main())
"""

KEYS = """
# %%
SERVICE_API_KEY = os.environ["SERVICE_API_KEY"]

@tool(description="Call a service")
def call_service(what: str) -> str:
    executed("service")
    return "called " + what + (" with a key" if SERVICE_API_KEY else "")

def answer(request):
    return last(request) if request.messages[-1].role == "tool" else Turn(calls=[("call_service", {"what": "it"})])

caller = Agent(id="caller", model=model(answer), tools=[call_service], api_key=SERVICE_API_KEY)

# %%
async def main():
    show((await caller.run("go")).result)

asyncio.run(main())
"""

DURABLE = '''
# %%
def work(name, before):
    executed(name)
    return name + "(" + before + ")"

@tool
async def chain(ctx: WorkflowContext) -> list:
    """Five steps."""
    made = await ctx.step.now("time")
    text = ""
    for name in ["a", "b", "c", "d", "e"]:
        text = await ctx.step.run(name, work, name, text, max_retries=0)
    stamped = await ctx.step.run("stamp", work, "stamp", str(made))
    return [text, stamped]

# %%
async def main():
    show(await chain.run({}))

asyncio.run(main())
'''

STEPS = '''
# %%
def work(name, before):
    executed(name)
    return name + "(" + before + ")"

def third(name, before):
    executed(name)
    raise ValueError("broken")

@tool
async def steps(ctx: WorkflowContext) -> str:
    """Five steps."""
    text = ""
    for name in ["a", "b", "c", "d", "e"]:
        text = await ctx.step.run(name, third if name == "c" else work, name, text, max_retries=0)
    return text

# %%
async def main():
    show(await steps.run({}))

asyncio.run(main())
'''


@dataclass(frozen=True)
class Case:
    """v1 runs, is edited to v2, and runs again. `again` are the steps that v2 executes on v1's store."""

    name: str
    title: str
    v1: str
    v2: str
    again: list[str]
    compare: str = "scratch"  # or "first": the result of v1, where scratch cannot be the same
    env1: dict[str, str] = field(default_factory=dict)
    env2: dict[str, str] = field(default_factory=dict)
    v1_fails: bool = False


def edited(text: str, *changes: tuple[str, str]) -> str:
    """A program with pieces replaced; each must be there exactly once."""
    for old, new in changes:
        assert text.count(old) == 1, (text.count(old), old)
        text = text.replace(old, new)
    return text


RENAMED = TOOL.replace("async def price(", "async def price_of_order(").replace(
    "tools=[price]", "tools=[price_of_order]"
)


def _cells(text: str, order: list[int]) -> str:
    parts = text.split("# %%\n")
    return parts[0] + "".join("# %%\n" + parts[place] for place in order)


CASES = [
    Case("S0", "nothing changed", CHAIN, CHAIN, []),
    Case("S1", "killed after 3 of 5", CHAIN, CHAIN, ["llm", "llm"], env1={"KILL_AT": "4"}, v1_fails=True),
    Case("S2", "a prompt in the middle of a chain edited", CHAIN, edited(CHAIN, ('"three"', '"THIRD"')), ["llm"] * 3),
    Case("S3", "edited, same answer: the rest is cut off", CHAIN, edited(CHAIN, ('"three"', '"  Three"')), ["llm"]),
    Case(
        "S4",
        "an independent step inserted first",
        FOUR,
        edited(FOUR, ('    answers["alpha"]', '    answers["zero"] = await ask("zero")\n    answers["alpha"]')),
        ["llm"],
    ),
    Case("S5", "a step deleted", FOUR, edited(FOUR, ('    answers["alpha"] = await ask("alpha")\n', "")), []),
    Case(
        "S6",
        "two steps swapped",
        FOUR,
        edited(
            FOUR,
            ('    answers["alpha"] = await ask("alpha")\n', ""),
            ("    show(", '    answers["alpha"] = await ask("alpha")\n    show('),
        ),
        [],
    ),
    Case("S7", "a loop item replaced in the middle", LIST, edited(LIST, ('"b"', '"x"')), ["llm"]),
    Case("S8", "three samples of one prompt", SAMPLES, SAMPLES, []),
    Case(
        "S9",
        "parallel branches start in another order",
        PARALLEL,
        edited(PARALLEL, ('"left", "middle", "right"', '"right", "left", "middle"')),
        [],
    ),
    Case("S10", "a tool's body edited", TOOL, edited(TOOL, (") + 1}", ") + 7}")), ["price", "llm"]),
    Case(
        "S11", "a helper it calls edited", TOOL, edited(TOOL, ("value * RATE", "value * RATE * 10")), ["price", "llm"]
    ),
    Case(
        "S12",
        "comment, docstring or whitespace",
        TOOL,
        edited(
            TOOL,
            ('"""How it is done."""', '"""How it is really done, in other words."""\n    # and a comment'),
            ("return value * RATE", "\n    return  (value\n            * RATE)  # twice"),
        ),
        [],
    ),
    Case(
        "S13",
        "write(v1) becomes write(v2), the same read() follows",
        WRITES,
        edited(WRITES, ('system_prompt="v1"', 'system_prompt="v2"')),
        ["llm", "write", "llm", "read", "llm"],
    ),
    Case(
        "S14",
        "API key rotated",
        KEYS,
        KEYS,
        [],
        env1={"SERVICE_API_KEY": "first-key-000000"},
        env2={"SERVICE_API_KEY": "other-key-111111"},
    ),
    Case("S15", "a global constant it uses edited", TOOL, edited(TOOL, ("RATE = 2", "RATE = 3")), ["price", "llm"]),
    Case(
        "S16",
        "ctx.step.now() in a prompt",
        DURABLE,
        edited(DURABLE, ("    return [text, stamped]", "    both = [text, stamped]\n    return both")),
        [],
        compare="first",
    ),
    Case("S17", "a tool renamed (same id) or moved to another cell", TOOL, _cells(RENAMED, [3, 1, 2, 4, 5, 6]), []),
    Case(
        "S18",
        "step 3 raised, was fixed, re-run",
        STEPS,
        edited(STEPS, ('    raise ValueError("broken")\n', '    return name + "[" + before + "]"\n')),
        ["c", "d", "e"],
        v1_fails=True,
    ),
    Case(
        "S19",
        "a pydantic model used as input gains a field",
        TOOL,
        edited(TOOL, ("    amount: int\n", "    amount: int\n    currency: str = 'EUR'\n")),
        ["llm", "price", "llm"],
    ),
    Case("S20", "the notebook's cells reordered", TOOL, _cells(TOOL, [3, 2, 1, 4, 5, 6]), []),
]
