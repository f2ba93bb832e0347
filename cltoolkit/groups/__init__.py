"""Which Runs are seeds of one experiment, and what tells experiments apart: `grouped`, `labels`, `settings_of`."""

from ._groups import Given, Group, grouped, labels, opened
from ._settings import differing, same_tasks, settings_of

__all__ = ["Given", "Group", "differing", "grouped", "labels", "opened", "same_tasks", "settings_of"]
