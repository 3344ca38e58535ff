"""Run the notebooks of this repository; with ``--write``, keep their outputs.

Usage: ``python tests/notebook/refresh.py --write [name ...]``
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

_TEMPORARY = re.compile(r"/tmp/[\w./-]+|/home/[\w./-]+|/root/[\w./-]+|/Users/[\w./-]+")


def execute(path: Path, parameters: Mapping[str, Any] | None = None) -> nbformat.NotebookNode:
    """Return the notebook at `path`, executed in a temporary folder with settings of its own."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if parameters and "parameters" in cell.metadata.get("tags", ()):
            cell.source += "".join(f"\n{name} = {value!r}" for name, value in parameters.items())
    with tempfile.TemporaryDirectory() as folder:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("SHIPKIT_")
        }
        env = {
            **kept,
            "SHIPKIT_HOME": f"{folder}/home",
            "IPYTHONDIR": f"{folder}/ipython",
            "JUPYTER_RUNTIME_DIR": f"{folder}/runtime",
            "TMPDIR": folder,
        }
        client = NotebookClient(
            notebook,
            timeout=120,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            store_widget_state=False,
            record_timing=False,
        )
        client.execute(env=env, cwd=folder)
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> str:
    """All text that a notebook shows."""
    parts: list[str] = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            parts.append("".join(output.get("text", "")) + "\n".join(output.get("traceback", ())))
            parts += [
                "".join(value)
                for kind, value in output.get("data", {}).items()
                if kind.startswith("text/")
            ]
    return "\n".join(parts)


def machine_paths(notebook: nbformat.NotebookNode) -> list[str]:
    """Paths of the machine that a notebook shows."""
    return _TEMPORARY.findall(outputs(notebook))


def main(arguments: list[str]) -> None:
    """Run the notebooks named, default all."""
    wanted = [name for name in arguments if not name.startswith("-")]
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if wanted and not any(name in path.name for name in wanted):
            continue
        began = time.monotonic()
        notebook = execute(path)
        found = machine_paths(notebook)
        print(
            f"{path.name}: {time.monotonic() - began:.1f} "
            f"s{f', shows paths: {found}' if found else ''}"
        )
        if "--write" in arguments:
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main(sys.argv[1:])
