"""Images with several lesions: how many are found at how many false marks an image."""

from __future__ import annotations

from pages.ui.trust.audited import Audited, Look


def show(audit: Audited, look: Look) -> None:
    """The FROC curve, where the audit kept one."""
