"""The engine: it drives runs."""
