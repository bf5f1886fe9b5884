"""A report as a page for people: self-contained, but for the pictures beside it; no scripts, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from string import Template
from typing import Any

from sivae_translate.evaluation.tables import Table, tables

PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
  :root { color-scheme: light dark; --line: #8884; --faint: #888; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; margin-bottom: 0; overflow-wrap: anywhere; }
  h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem; }
  p { max-width: 44rem; margin: .3rem 0; }
  .facts, .note, figcaption { color: var(--faint); font-size: .9rem; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
  th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
  th { font-weight: 600; vertical-align: bottom; }
  th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: pre; }
  tr.mean td { font-weight: 600; }
  figure { margin: 1.2rem 0; }
  img { max-width: 100%; image-rendering: pixelated; }
  li { overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>$title</h1>
<p class="facts">$facts</p>
$body
</body>
</html>
""")


def page(report: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The report as HTML; `pictures` are files beside the page with their captions."""
    facts = [f"{report['size']} px", f"features: {report['extractor']}", report["perceptual"], f"seed {report['seed']}"]
    if "n" in report:
        facts.insert(0, f"{report['n']:,} pairs, {report['inversion_steps']} inversion steps")
    if report["style_correction"]:
        facts.append(f"{report['style_correction']} rounds of style correction")
    if "domains" in report:
        facts.insert(0, f"{report['domains']['n']:,} real images of {len(report['domains']['counts']):,} domains")
    parts = [table_html(table) for table in tables(dict(report))]
    parts += list_html("Notes", report["notes"])
    parts += list_html("Left out", [f"{path}: {reason}" for path, reason in report["left_out"].items()])
    if pictures:
        parts.append("<h2>Pictures</h2>")
    parts += [picture_html(file, caption) for file, caption in pictures.items()]
    title = f"Evaluation of {report['model']}"
    return PAGE.substitute(title=escape(title), facts=escape(" · ".join(facts)), body="\n".join(parts))


def table_html(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in ["", *table.head])
    width = len(table.head) + 1
    rows = []
    for row in table.rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in [*row, *[""] * (width - len(row))])
        rows.append(f'<tr class="mean">{cells}</tr>' if row[0] == "mean" else f"<tr>{cells}</tr>")
    title = escape(table.title[:1].upper() + table.title[1:])
    return (
        f'<h2>{title}</h2>\n<p class="note">{escape(table.note)}</p>\n<div class="scroll"><table>\n'
        f"<tr>{head}</tr>\n" + "\n".join(rows) + "\n</table></div>"
    )


def list_html(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    return [f"<h2>{escape(title)}</h2>", "<ul>", *(f"<li>{escape(line)}</li>" for line in lines), "</ul>"]


def picture_html(file: str, caption: str) -> str:
    name, text = escape(file), escape(caption)
    return f'<figure><img src="{name}" alt="{text}"><figcaption>{text}</figcaption></figure>'
