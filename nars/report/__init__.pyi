from .findings import Findings as Findings, read_findings as read_findings
from .fitting import FittingTable as FittingTable
from .page import write_report as write_report
from .table import doubtful as doubtful, family_table as family_table
