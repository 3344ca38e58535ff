"""One file per tool: its arguments, its answer, what it asks a person, what it does.

To add a tool, write its file here and list it in :mod:`shipkit.agent.tool_table`.
"""
