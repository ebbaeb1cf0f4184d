"""The columns of a report, for the console and for Markdown."""

from rich import box, table

from ones_keras.reporting.method_result import DENSE, TEACHER

_NOTHING = "-"


def rich_table(report):
    """Returns the report as a `rich.table.Table`."""
    result = table.Table(
        title=report.title or None,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    headers, lines = _cells(report)
    for i, header in enumerate(headers):
        # Folding, unlike the default, loses no text in a narrow terminal.
        result.add_column(
            header,
            justify="left" if i == 0 else "right",
            overflow="fold",
        )
    for row, line in zip(report.rows(), lines, strict=True):
        is_reference = row.method in (TEACHER, DENSE)
        result.add_row(*line, style="dim" if is_reference else None)
    return result


def markdown_table(report):
    """Returns the report as a Markdown table."""
    headers, lines = _cells(report)
    rules = [":--", *("--:" for _ in headers[1:])]
    return "\n".join(
        f"| {' | '.join(line)} |" for line in (headers, rules, *lines)
    )


def footnotes(report):
    """Returns the sentences that explain the table."""
    notes = []
    rows = report.rows()
    if report.num_seeds > 1:
        notes.append(
            f"Mean over {report.num_seeds} seeds, ± the standard deviation; "
            "[95 % bootstrap interval]."
        )
    else:
        notes.append("One seed, so how much of it is noise is not known.")
    if any(row.score_before is not None for row in rows):
        notes.append(
            f"At start: the {report.metric} of the student as gathered, before "
            "any training."
        )
    notes.append(
        "MoE benefits: (student - dense) / (teacher - dense)"
        + "".join(
            f"; n/a: {reason}"
            for reason in dict.fromkeys(
                row.benefits.reason for row in rows if row.benefits.reason
            )
        )
        + "."
    )
    if any(row.speedup for row in rows):
        notes.append(
            f"Latency in ms per {report.latency_of}; in brackets how many "
            "times faster than the teacher."
        )
    return notes


def score_text(report, value, std=None):
    """Returns a score as it is printed everywhere, e.g. `93.10 ± 0.21`."""
    scale, digits = (100, 2) if report.percent else (1, 4)
    text = f"{scale * value:.{digits}f}"
    return text if std is None else f"{text} ± {scale * std:.{digits}f}"


def benefits_text(row):
    """Returns the benefits, of which those of the references are known."""
    references = {TEACHER: "100 %", DENSE: "0 %"}
    if row.benefits.value is not None and row.method in references:
        return references[row.method]
    return str(row.benefits)


def _cells(report):
    """Headers, and a list of texts a row; columns without a value left out."""
    unit = " (%)" if report.percent else ""
    columns = {
        "method": lambda r: r.method,
        f"{report.metric}{unit}": lambda r: score_text(
            report, r.score, r.score_std
        ),
        "loss": lambda r: _maybe(r.loss, "{:.4f}"),
        f"at start{unit}": lambda r: (
            _NOTHING
            if r.score_before is None
            else score_text(report, r.score_before)
        ),
        "agrees (%)": lambda r: (
            _NOTHING if r.agreement is None else f"{100 * r.agreement:.1f}"
        ),
        "MoE benefits": benefits_text,
        "params": lambda r: _maybe(r.parameters, "{}", _abbreviated),
        "latency (ms)": _latency_text,
        "steps": lambda r: _maybe(r.steps, "{:,}"),
    }
    rows = report.rows()
    filled = {
        header: [cell(row) for row in rows] for header, cell in columns.items()
    }
    filled = {
        header: texts
        for header, texts in filled.items()
        if any(text != _NOTHING for text in texts)
    }
    lines = [list(line) for line in zip(*filled.values(), strict=True)]
    return list(filled), lines


def _maybe(value, pattern, convert=lambda value: value):
    return _NOTHING if value is None else pattern.format(convert(value))


def _latency_text(row):
    if row.latency_ms is None:
        return _NOTHING
    text = f"{row.latency_ms:.3g}"
    return text if row.speedup is None else f"{text} ({row.speedup:.1f}x)"


def _abbreviated(count):
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.2f}{suffix}"
    return str(count)
