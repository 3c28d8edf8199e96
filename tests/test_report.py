"""The report: what it says of real rows, that it stands alone, and that no text gets out of its element."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule.core import InputError
from chainrule.data.corpora import load_corpus
from chainrule.data.dataset import make_dataset, split_text
from chainrule.models.uniform import Uniform
from chainrule.recipes import compare_models
from chainrule.report import (
    best,
    comparison_report,
    curves_figure,
    interval,
    number,
    perplexity_figure,
    png,
    saving,
    summary,
    surprisal_legend,
    surprisal_spans,
    svg,
    trap,
    visible,
    zipf_figure,
)
from chainrule.tasks.comparison import CurvePoint, Fitted, Interval, Row
from chainrule.tasks.evaluation import LN2, Evaluation, TextCounts
from chainrule.tasks.zipf import fit_zipf

HOSTILE = "<script>alert('&\"')</script>"
FREQUENCIES = {1: np.array([50, 20, 9, 9, 3, 1]), 2: np.array([1, 2, 8]), 3: np.array([1])}
FITS = {n: fit_zipf(FREQUENCIES[n]) for n in (1, 2)}


def make_row(name, bits, train=None, *, trained=False, curve=(), sample="so it goes", vocab_size=4):
    """A row whose tokens cost these bits each."""
    nats = np.array(bits, dtype=np.float64) * LN2
    counts = TextCounts(1, len(nats), len(nats))
    held_out = Evaluation(float(nats.sum()), len(nats), counts, "characters")
    size, unit = (10, "parameters") if trained else (3, "n-grams")
    fitted = Fitted(Uniform(vocab_size), "nothing", size, unit, 100, tuple(curve))
    billed = held_out if train is None else replace(held_out, nats=train * LN2 * len(nats))
    return Row(name, fitted, 0.5, billed, held_out, nats, None, sample)


def render(rows, **changed):
    given = {
        "title": "a title",
        "source": "a source",
        "split": {"train": {"characters": 12345, "tokens": 12345}, "test": {"tokens": 7}},
        "settings": {"seed": 0},
        "held_out_tokens": ["a", "\n", " ", "b"],
        "frequencies": FREQUENCIES,
        "fits": FITS,
    }
    return comparison_report(rows, **{**given, **changed})


@pytest.fixture(scope="module")
def rows():
    data = make_dataset(*split_text(load_corpus("pydocs").text[:20_000]))
    return list(compare_models(data, budget=2, sample_length=40))


class Page(HTMLParser):
    """The elements of a page, whether each closes in its turn, and the attributes that can load something."""

    VOID = ("meta", "br", "link", "img", "input")

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.loads, self.text = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [
            (name, value)
            for name, value in attrs
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster")
            or name.startswith("on")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


# Numbers and words


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [
        (3.4159, 2, "3.42"),
        (12345, 0, "12,345"),
        (12_345_678_901, 0, "12,345,678,901"),
        (1.2e12, 2, "1.2e+12"),
        (-0.194, 2, "−0.19"),
        (-0.001, 2, "0.00"),
        (0.0, 0, "0"),
        (-1.0, 0, "−1"),
        (math.inf, 2, "∞"),
        (-math.inf, 2, "−∞"),
        (math.nan, 2, "–"),
        (np.float64(2.5), 1, "2.5"),
    ],
)
def test_numbers_are_written_to_be_read(x, digits, text):
    assert number(x, digits) == text


def test_an_interval_is_written_with_its_mean_and_a_missing_one_as_a_dash():
    assert interval(Interval(-0.19, -0.21, 0.17)) == "−0.19 [−0.21, 0.17]"
    assert interval(None) == "–"


def test_what_is_saved_is_the_difference_in_bits_per_character():
    saved = saving(make_row("a", [1, 2] * 50), make_row("b", [2, 3] * 50))
    assert saved == pytest.approx((1, 1, 1))
    assert saving(make_row("a", [1.0]), make_row("b", [math.inf])) is None
    assert saving(make_row("a", [math.inf]), make_row("b", [math.inf])) is None


def test_the_summary_names_the_best_network_and_what_it_saves_over_the_best_count():
    rows = [make_row("unigram", [2] * 100), make_row("bigram", [1.5] * 100)]
    rows.append(make_row("LSTM", [1] * 100, trained=True))
    assert summary(rows) == (
        "LSTM predicts the held-out text best: 1.00 bits per character and perplexity 2.00, where guessing "
        "uniformly over |V| = 4 tokens gives 2.00 bits and 4; it beats the best counted model, bigram, by "
        "0.50 bits per character, and the 95 % interval, 0.50 to 0.50, excludes zero."
    )


def test_the_summary_says_when_counting_wins_and_when_it_may_be_chance():
    counted, network = make_row("bigram", [1, 2] * 50), make_row("RNN", [2, 1.01] * 50, trained=True)
    said = summary([counted, network])
    assert said.startswith("bigram predicts the held-out text best")
    assert "it beats the best network, RNN, by 0.01" in said
    rng = np.random.default_rng(0)
    noisy = make_row("RNN", np.array([1, 2] * 50) + rng.normal(0.01, 1, 100), trained=True)
    assert "includes zero: this text cannot tell them apart." in summary([counted, noisy])


def test_the_summary_holds_without_networks_and_with_infinite_perplexity():
    assert summary([make_row("unigram", [1.0])]).endswith("gives 2.00 bits and 4.")
    said = summary([make_row("bigram", [math.inf]), make_row("RNN", [1.0], trained=True)])
    assert said.endswith("by ∞ bits per character.")


def test_the_trap_is_named_where_training_perplexity_picks_another_model():
    honest, fooled = make_row("bigram", [2] * 4, 2), make_row("RNN", [4] * 4, 0.0, trained=True)
    assert trap([honest, fooled]) == (
        "Judged on the text that it was trained on, RNN would have won: perplexity 1.00 there, but 16.00 on "
        "held-out text."
    )
    assert trap([honest]) is None


def test_the_best_counted_model_and_the_best_network_are_told_apart(rows):
    counted, network = best(rows, trained=False), best(rows, trained=True)
    assert counted.name.startswith("Witten-Bell")
    assert network.name in ("window MLP", "RNN", "GRU", "LSTM")
    assert best([counted], trained=True) is None


# Figures


def figures(rows):
    return [curves_figure(rows), perplexity_figure(rows), zipf_figure(FREQUENCIES, FITS)]


def test_figures_are_svg_elements_that_take_the_colour_of_the_page_and_load_nothing(rows):
    for figure in figures(rows):
        text = svg(figure)
        assert text.startswith("<svg ")
        ElementTree.fromstring(text)
        assert "currentColor" in text
        assert "#010203" not in text
        assert not re.search(r"<style|<image|<metadata|<\?xml|<!DOCTYPE", text)
        assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', text))
        assert re.findall(r"url\((.)", text) == ["#"] * text.count("url(")


def test_a_figure_made_again_is_the_same_text(rows):
    for once, again in zip(figures(rows), figures(rows), strict=True):
        assert svg(once) == svg(again)


def test_every_model_stands_in_its_figure(rows):
    bars, curves = svg(perplexity_figure(rows)), svg(curves_figure(rows))
    assert all(row.name in bars for row in rows)
    assert [row.name in curves for row in rows if row.fitted.curve] == [True] * 4


def test_infinite_and_missing_numbers_can_be_drawn():
    curve = [CurvePoint(0.1, 1, 900.0, math.nan), CurvePoint(0.2, 2, 1.0, math.inf)]
    rows = [make_row("ML", [math.inf], 1), make_row("R$x_{$", [1.0], trained=True, curve=curve)]
    assert "∞" in svg(perplexity_figure(rows))
    assert "R$x_{$" in svg(curves_figure(rows))
    assert "∞" in svg(perplexity_figure(rows[:1]))
    assert svg(curves_figure([]))
    assert svg(zipf_figure({}, {}))
    assert svg(zipf_figure({1: np.array([], dtype=np.int64), 2: np.array([3, 0])}, {}))


def test_a_name_is_escaped_in_a_figure():
    rows = [make_row(HOSTILE, [1.0], trained=True, curve=[CurvePoint(1, 1, 1, 1)])]
    for figure in (curves_figure(rows), perplexity_figure(rows)):
        root = ElementTree.fromstring(svg(figure))
        assert "script" not in {element.tag.split("}")[-1] for element in root.iter()}
        assert HOSTILE in "".join(root.itertext())


def test_a_zipf_plot_of_many_ranks_stays_small():
    many = {1: np.arange(1, 200_001)}
    assert len(svg(zipf_figure(many, {1: fit_zipf(many[1])}))) < 60_000


def test_a_png_is_one_and_the_same_each_time():
    data = png(zipf_figure(FREQUENCIES, FITS))
    assert data.startswith(b"\x89PNG\r\n")
    assert data == png(zipf_figure(FREQUENCIES, FITS))


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    svg(perplexity_figure([make_row("unigram", [1.0])]))
    assert dict(matplotlib.rcParams) == before


def test_importing_the_report_does_not_load_matplotlib():
    code = "import sys, chainrule.report; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Text coloured by surprisal


def test_spans_carry_text_bits_and_colour():
    spans = surprisal_spans(["a", " ", "\n", "\tb\r\n"], np.array([0, 1, 4, math.inf]) * LN2)
    assert [span.text for span in spans] == ["a", " ", "↵\n", "\tb␍↵\n"]
    assert [span.bits for span in spans] == pytest.approx([0, 1, 4, math.inf])
    assert [span.css for span in spans] == ["s0", "s2", "s5", "inf"]


def test_the_legend_has_every_colour_once():
    legend = surprisal_legend()
    assert [span.css for span in legend] == [*(f"s{level}" for level in range(9)), "inf"]
    shown = surprisal_spans(["x"] * len(legend), np.array([span.bits for span in legend]) * LN2)
    assert [span.css for span in shown] == [span.css for span in legend]


def test_each_colour_of_the_legend_has_a_rule_in_the_page():
    page = render([make_row("unigram", [1.0])])
    assert all(f".{span.css} {{" in page for span in surprisal_legend() if span.css != "s0")


def test_characters_that_cannot_be_shown_are_replaced():
    assert visible("a\0\x1b\x7f\x9b\ud800\r\n\té中") == "a␀␛\ufffd\ufffd\ufffd␍\n\té中"


# The page


def test_the_page_holds_every_number_and_loads_nothing(rows):
    html = render(rows, notes=["what to know"])
    page = Page(html)
    assert page.open == []
    assert all(value.startswith("#") for _, value in page.loads)
    assert not {"script", "img", "link", "iframe", "object", "base"} & set(page.tags)
    assert page.tags.count("svg") == 3
    assert page.tags.count("details") == 5
    assert not re.findall(r"@import|url\((?!#)", html)
    assert "default-src 'none'" in html
    text = " ".join(" ".join(page.text).split())
    assert summary(rows) in text
    assert "what to know" in text
    for row in rows:
        assert number(row.train.perplexity) in text
        assert number(row.held_out.perplexity) in text
        assert interval(row.difference, 3) in text
        assert " ".join(row.sample.split())[:8] in text
    assert "12,345" in text


def test_the_page_is_the_same_each_time(rows):
    assert render(rows) == render(rows)


def test_hostile_text_stays_text():
    rows = [
        make_row("bigram", [1.0, 2.0], sample=HOSTILE),
        make_row(HOSTILE, [2.0, 3.0], trained=True, curve=[CurvePoint(1, 1, 1, 1)]),
    ]
    html = render(
        rows,
        title=HOSTILE,
        source=HOSTILE,
        split={HOSTILE: {HOSTILE: 3}},
        settings={HOSTILE: HOSTILE},
        held_out_tokens=[HOSTILE, "</div>"],
        zipf_items=HOSTILE,
        notes=[HOSTILE],
    )
    page = Page(html)
    assert page.open == []
    assert "script" not in page.tags
    assert "alert" not in re.sub(r"&lt;script&gt;alert\(", "", html)
    assert page.text.count(HOSTILE) >= 10


def test_lone_surrogates_and_control_characters_can_be_written_to_a_file():
    html = render([make_row("bigram", [1.0], sample="\ud800\0")], title="\udcff", held_out_tokens=["\ud800"])
    html.encode("utf-8")
    assert "\0" not in html


def test_white_space_is_kept_and_a_line_s_end_is_shown():
    html = render([make_row("bigram", [1.0] * 4)], held_out_tokens=["a", "  ", "\n", "b"])
    assert 'title="1.00 bits">  </span>' in html
    assert 'title="1.00 bits">↵\n</span>' in html
    assert "\n  leading" in render([make_row("bigram", [1.0], sample="\n  leading")])


def test_only_the_first_tokens_are_coloured():
    rows = [make_row("bigram", [1.0] * 5000)]
    assert render(rows, held_out_tokens=["a"] * 5000).count('title="1.00 bits"') == 600


def test_infinite_perplexity_is_printed_as_infinity():
    html = render([make_row("ML", [math.inf, 1.0])], held_out_tokens=["a", "b"])
    assert '<td class="n key">∞</td>' in html
    assert 'class="inf" title="∞ bits">a<' in html


def test_what_there_is_nothing_of_is_left_out():
    html = render([make_row("bigram", [1.0])], frequencies={}, fits={}, held_out_tokens=[], settings={})
    for heading in ("Zipf", "Learning curves", "What surprised them", "Settings"):
        assert f"<h2>{heading}" not in html


def test_a_report_needs_rows():
    with pytest.raises(InputError, match="expected at least one row, got none"):
        render([])
