"""Steps that survive an edit, an error and a killed kernel."""
