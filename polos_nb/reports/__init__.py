"""What the store knows, as plain data: for the command line, for the notebook, and for files."""
