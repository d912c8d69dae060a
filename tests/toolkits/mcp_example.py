"""A real MCP server for the tests: over standard input and output, or over HTTP on the port that it is given."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.types import ImageContent, TextContent, ToolAnnotations

GIF = base64.b64decode("R0lGODlhAQABAAAAACw=")
server = MCPServer("example", log_level="CRITICAL")
journal = Path(os.environ["JOURNAL"])


def note(text: str) -> int:
    """Write a line, and say how many there are."""
    with journal.open("a") as file:
        file.write(text + "\n")
    return len(journal.read_text().splitlines())


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def get_weather(city: str, days: int = 1) -> dict[str, Any]:
    """Weather of a city."""
    note(f"weather {city} {os.getpid()}")
    return {"city": city, "days": days}


@server.tool(name="books.pay")
def pay(amount: int) -> str:
    """Pay."""
    note(f"pay {amount}")
    return f"paid {amount}"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def shaky(times: int) -> str:
    """Ends the server the first few times it is called."""
    if note("shaky") <= times:
        os._exit(3)
    return "at last"


@server.tool()
def fatal() -> str:
    """Ends the server."""
    note("fatal")
    os._exit(3)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def picture() -> list[Any]:
    """A text and an image."""
    data = base64.b64encode(GIF).decode()
    return [TextContent(type="text", text="Look:"), ImageContent(type="image", data=data, mime_type="image/gif")]


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def secret() -> str:
    """The beginning of the secret that it was given."""
    return os.environ.get("EXAMPLE_TOKEN", "none")[:4]


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def broken() -> str:
    """Fails."""
    from mcp.server.mcpserver.exceptions import ToolError

    raise ToolError("the archive is closed on Mondays")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run()
