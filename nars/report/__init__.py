"""What a run found, for people: a table on the terminal and a self-contained page with plots."""

from nars.report.findings import Findings, MemberFinding, read_findings
from nars.report.page import write_report
from nars.report.table import family_table

__all__ = ["Findings", "MemberFinding", "family_table", "read_findings", "write_report"]
