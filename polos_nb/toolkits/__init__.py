"""Tools that come with polos_nb: asking the user, searching the web, the tools of MCP servers."""
