"""Views to touch: records as widgets in a notebook, as still pictures, and as pages that need neither kernel nor network."""

from ._link import Views, link
from ._run_explorer import RunExplorer
from ._view import View

__all__ = ["RunExplorer", "View", "Views", "link"]
