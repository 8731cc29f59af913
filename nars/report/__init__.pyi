from .document import document_of as document_of
from .findings import Findings as Findings, read_findings as read_findings
from .page import write_report as write_report
from .table import (
    FittingTable as FittingTable,
    doubtful as doubtful,
    family_table as family_table,
    own_table as own_table,
)
