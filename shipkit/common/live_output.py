"""An output of a notebook cell that is brought up to date in place, and saved as it is then.

What a widget shows is not in the saved notebook: GitHub, nbconvert, papermill's copy and an e-mail
show the text that it had when it was first displayed.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from typing import Any

__all__ = ["LiveOutput"]


class LiveOutput:
    """One output, displayed once and then updated by its display id, from any thread."""

    def __init__(self) -> None:
        self._id = f"shipkit-{uuid.uuid4().hex}"
        self._guard = threading.Lock()
        self._displayed = False

    def show(self, bundle: Mapping[str, Any]) -> None:
        """Display `bundle` (MIME type to data), or replace what is displayed by it."""
        from IPython.display import display

        with self._guard:
            display(dict(bundle), raw=True, display_id=self._id, update=self._displayed)
            self._displayed = True
