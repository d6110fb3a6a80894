"""Examines an integration: whether GitHub reaches it, whether it may do its work, and what ails it.

One file per subject; each registers its looks with `@look`, and a look tells its findings. It only
reads. A failure in a look ends in a finding too, and the other looks go on; only where GitHub does
not answer at all, what depends on it is left out.
"""

from bot.doctor.examination import check
from bot.doctor.findings import Finding, Status

__all__ = ["Finding", "Status", "check"]
