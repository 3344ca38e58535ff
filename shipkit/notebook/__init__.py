"""The notebook face: one panel, a view of a session with a way out."""
