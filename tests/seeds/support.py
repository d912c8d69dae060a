"""What the seeds' snippets take for granted, and a shell that they run in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from tests.loopback.server import LoopbackProvider

FOLDER = Path(__file__).parent

# What the documents take for granted: the services behind the tools, and names that earlier snippets define.
SERVICES = """
import asyncio, uuid
from polos_nb import Agent, PolosClient, tool, WorkflowContext
from types import SimpleNamespace

class WeatherService:
    async def get(self, city):
        return {"temp": 21.0, "conditions": "sunny", "city": city}

class GuideWeatherService:
    async def get(self, city):
        return SimpleNamespace(temp=21.0, conditions="sunny")

class SearchService:
    async def query(self, text):
        return [f"{text} {n}" for n in range(9)]

class EmailService:
    sent = []
    async def send(self, to, subject, body):
        self.sent.append((to, subject, body))

weather_api, search_api, email_service = WeatherService(), SearchService(), EmailService()
client = PolosClient()
"""

AGENTS = """
@tool(description="Get weather for a city")
async def get_weather(city: str) -> dict:
    return await weather_api.get(city)

def an_agent(id, provider, model, **more):
    return Agent(id=id, provider=provider, model=model, tools=[get_weather], **more)

weather_agent = an_agent("weather-agent", "openai", "gpt-4o")
chat_agent = an_agent("chat-agent", "openai", "gpt-4o")
openai_agent = an_agent("openai-agent", "openai", "o3-mini")
anthropic_agent = an_agent("anthropic-agent", "anthropic", "claude-sonnet-4-5")
"""


@dataclass
class Notebook:
    """A shell with the extension, the services, and a provider on loopback."""

    shell: InteractiveShell
    provider: LoopbackProvider

    def run(self, code: str) -> None:
        self.shell.run_cell(code).raise_error()

    def snippet(self, name: str) -> None:
        self.run((FOLDER / f"{name}.txt").read_text())

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]
