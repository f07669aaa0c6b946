"""Reports: what a page or command found, as one self-contained file for people and tables for programs.

    report = join_reports("Report on a run", run.title, [model_card(run), evaluation_report(run, evidence)])
    text = to_html(report)

Builders (`model_card`, `evaluation`, `training`, `comparison`) say what stands in a report, `drawing` draws
its figures, `html` writes the file. Nothing here computes a metric; matplotlib loads when a figure is drawn.
"""

from models.reports.document import Figure, Picture, Report, Section, Table, Text, facts, join_reports
from models.reports.html import to_html
from models.reports.tables import to_csv

__all__ = [
    "Figure",
    "Picture",
    "Report",
    "Section",
    "Table",
    "Text",
    "facts",
    "join_reports",
    "to_csv",
    "to_html",
]
