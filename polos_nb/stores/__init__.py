"""Where durable state lives: runs, steps, messages, decisions, recordings."""
