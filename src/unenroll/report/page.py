"""A sheet as one page of HTML: nothing is fetched from anywhere, and nothing in it is obeyed by a browser."""

from html import escape

from unenroll.legible import legible
from unenroll.report.sheet import Cells, Sheet, Table

_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse } th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0 }
th { color: #666; font-weight: normal } tr { border-bottom: 1px solid #e4e4e4 }
td { overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #e8e8e8 } tr { border-color: #444 } }"""


def page(sheet: Sheet) -> str:
    """The page."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
        f"<title>{_safe(sheet.title)}</title>",
        f"<style>\n{_STYLE}\n</style></head><body>",
        f"<h1>{_safe(sheet.title)}</h1>",
        *(f"<p>{_safe(sentence)}</p>" for sentence in sheet.sentences),
        *(_table(table) for table in sheet.tables if table.rows),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _table(table: Table) -> str:
    heads = [_row(table.heads, "th")] if table.heads else []
    rows = [_row(row, "td") for row in table.rows]
    return "\n".join([f"<h2>{_safe(table.title)}</h2>", "<table>", *heads, *rows, "</table>"])


def _row(cells: Cells, kind: str) -> str:
    return "<tr>" + "".join(f"<{kind}>{_safe(cell)}</{kind}>" for cell in cells) + "</tr>"


def _safe(text: str) -> str:
    return escape(legible(text))
