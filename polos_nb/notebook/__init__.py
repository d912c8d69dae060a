"""What a Jupyter user sees: magics, completion, output."""
