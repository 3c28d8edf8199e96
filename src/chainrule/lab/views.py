"""What the page shows, as HTML and tables: coloured text, bars of probabilities, figures of a run.

Everything that comes from a text is escaped. Colours are laid over the page's own, light or dark.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from chainrule.core import ChainruleError
from chainrule.lab.job import View
from chainrule.lab.models import Line
from chainrule.lab.prefix import Choice, Said
from chainrule.language_model import LanguageModel, TokenSurprisal
from chainrule.report import number, signs, surprisal_legend, surprisal_spans, svg
from chainrule.report.learning import learning_figure
from chainrule.tasks.evaluation import LN2

SHOWN = 3000  # tokens that are coloured
STYLE = Markup("<style>{}</style>").format(Markup((Path(__file__).parent / "style.css").read_text("utf-8")))


def coloured(lm: LanguageModel, text: str, legend: Mapping[str, str]) -> str:
    """The text as the model reads it, coloured by what each token cost, with its figures.

    legend: the words `bits`, `perplexity`, `bits per character`, `unknown`, `cut` in the page's language.
    """
    scored, trouble = _scored(lm, text)
    if not scored:
        return complaint(trouble or legend["empty"])
    bits = np.array([token.bits for token in scored])
    tokens = [token.token for token in scored]
    spans = Markup("").join(
        Markup('<span class="{}" title="{} {}">{}</span>').format(
            s.css, number(s.bits), legend["bits"], s.text
        )
        for s in surprisal_spans(tokens, bits * LN2)
    )
    colours = Markup("").join(
        Markup('<span class="{}">{}</span>').format(s.css, s.text) for s in surprisal_legend()
    )
    characters = max(sum(map(len, tokens)), 1)
    unknown = len(lm.codec.unknown("".join(tokens)))
    figures = [
        f"{number(float(bits.sum()) / characters, 3)} {legend['bits per character']}",
        f"{legend['perplexity']} {number(2.0 ** float(bits.mean()) if bits.mean() < 900 else math.inf)}",
        *([f"{unknown} {legend['unknown']}"] if unknown else []),
        *([legend["cut"].format(SHOWN)] if len(scored) == SHOWN else []),
    ]
    parts = Markup('<p><b>{}</b></p><div class="cr-text">{}</div><div class="cr-legend">{} {}</div>')
    return _block(parts.format(" · ".join(figures), spans, legend["bits"] + ":", colours))


def _scored(lm: LanguageModel, text: str) -> tuple[list[TokenSurprisal], str]:
    """The first SHOWN tokens of a text and what they cost; or none, and why."""
    try:
        return (lm.surprisal(text[: 20 * SHOWN])[:SHOWN] if text.strip() else []), ""
    except ChainruleError as error:
        return [], str(error)


def surprises(lm: LanguageModel, text: str, most: int = 10) -> list[dict[str, str | float]]:
    """The tokens that cost most, as rows of a table."""
    scored = _scored(lm, text)[0]
    ranked = sorted(enumerate(scored), key=lambda pair: -pair[1].bits)[:most]
    return [{"#": i + 1, "token": signs(t.token), "bits": round(t.bits, 3)} for i, t in ranked]


def bars(choices: Sequence[Choice], words: tuple[str, str, str]) -> str:
    """Probabilities as bars with their numbers. words: token, by the model, drawn from."""
    rows = Markup("").join(
        Markup(
            '<tr><td class="cr-token">{}</td><td class="cr-bar"><i style="width:{:.2f}%"></i>'
            '<i style="width:{:.2f}%"></i></td><td>{:.4f}</td><td>{:.4f}</td></tr>'
        ).format(signs(c.token), 100 * c.model, 100 * c.drawn, c.model, c.drawn)
        for c in choices
    )
    head = Markup("<tr><th>{}</th><th></th>{}{}</tr>").format(
        words[0],
        *(
            Markup('<th class="cr-key"><i class="{}"></i>{}</th>').format(*pair)
            for pair in zip(("", "drawn"), words[1:], strict=True)
        ),
    )
    return _block(Markup('<table class="cr-next">{}{}</table>').format(head, rows))


def told(said: Said) -> str:
    """The prompt, and what was said after it, coloured by what it cost the model."""
    spans = surprisal_spans([t for t, _ in said.tokens], np.array([n for _, n in said.tokens], np.float64))
    body = Markup("").join(
        Markup('<span class="{}" title="{:.2f}">{}</span>').format(s.css, s.bits, s.text) for s in spans
    )
    return _block(Markup('<div class="cr-text cr-said"><b>{}</b>{}</div>').format(said.asked[0], body))


def learning(view: View, words: tuple[str, str, str, str]) -> str:
    """The curves of a run so far; an empty string before its first figure."""
    if not view.lines:
        return ""

    def column(name: str) -> list[float]:
        return [math.nan if line[name] is None else float(line[name]) for line in view.lines]

    drawn = learning_figure(column("seconds"), column("train"), column("valid"), view.baseline, words)
    return f'<div class="cr-curves">{svg(drawn)}</div>'


def run_rows(view: View, most: int = 12) -> list[dict[str, float | None]]:
    """The numbers of the curves, about evenly spread, as rows of a table."""
    picked = np.unique(np.linspace(0, len(view.lines) - 1, most).round().astype(int)) if view.lines else []
    names = ("seconds", "epoch", "train", "valid")
    lines = [view.lines[i] for i in picked]
    return [{n: None if line[n] is None else round(float(line[n]), 3) for n in names} for line in lines]


def table(lines: Sequence[Line], words: tuple[str, str, str, str, str], own: str) -> str:
    """The comparison. words: its columns. own: what stands where a share of the text was trained on."""
    rows = Markup("").join(
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            line.name,
            number(line.bits_per_character, 3),
            number(line.perplexity),
            f"{line.unknown:,}",
            own.format(line.overlap) if line.overlap is not None and line.overlap > 0.01 else "–",
        )
        for line in lines
    )
    head = Markup("").join(Markup("<th>{}</th>").format(word) for word in words)
    return _block(Markup('<table class="cr-compared"><tr>{}</tr>{}</table>').format(head, rows))


def complaint(text: str) -> str:
    """One line about what went wrong."""
    return str(Markup('<p role="alert" style="color:#d55e00"><b>{}</b></p>').format(text))


def _block(parts: Markup) -> str:
    """With its style; a plain string, for marimo takes no other for HTML."""
    return str(STYLE + Markup('<div class="cr">{}</div>').format(parts))
