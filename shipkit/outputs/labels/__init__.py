"""The labels of a job: show them in a notebook, save them as files."""

from __future__ import annotations

from shipkit.outputs.labels.collection import Labels, SavedLabels
from shipkit.outputs.labels.pictures import LabelPicture, show

__all__ = ["LabelPicture", "Labels", "SavedLabels", "show"]
