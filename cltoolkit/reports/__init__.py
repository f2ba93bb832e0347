"""One file that tells what Runs add up to: `report(runs, path)` as HTML, Markdown or LaTeX, and its tables as frames.

A view over records: nothing is trained, and what a Run does not hold is left out.
"""

from ._report import report
from ._tables import differences, settings, summary

__all__ = ["differences", "report", "settings", "summary"]
