"""Notebooks as files: what keeps them true, the student's copy of a lesson, answers that give hints, and our own."""

from ._check import check
from ._file import Finding
from ._fix import fix
from ._lesson import Feedback, Lesson
from ._stored import TOUR, Copied, copy_stored, stored
from ._student import student

__all__ = ["TOUR", "Copied", "Feedback", "Finding", "Lesson", "check", "copy_stored", "fix", "stored", "student"]
