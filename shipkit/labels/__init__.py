"""Labels of a job: look at them in a notebook, save them as files."""

from __future__ import annotations

from shipkit.labels.collection import Labels, SavedLabels
from shipkit.labels.files import StoredLabel
from shipkit.labels.pictures import LabelPicture, show

__all__ = ["LabelPicture", "Labels", "SavedLabels", "StoredLabel", "show"]
