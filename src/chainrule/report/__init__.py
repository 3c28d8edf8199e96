"""Pictures and pages: what was measured, to look at."""

from chainrule.report.classes import classes_figure
from chainrule.report.drawing import png, svg
from chainrule.report.figures import curves_figure, perplexity_figure, zipf_figure
from chainrule.report.lecture import clipping_figure, flow_figure, partition_figure, validation_figure
from chainrule.report.page import comparison_report
from chainrule.report.reach import (
    agreement_figure,
    branching_figure,
    context_figure,
    coverage_figure,
    parameters_figure,
    step_figure,
    trap_figure,
)
from chainrule.report.series import forecast_figure, k_step_figure
from chainrule.report.surprisal import Span, signs, surprisal_legend, surprisal_spans, visible
from chainrule.report.texts import batches_figure, order_figure, vocabulary_figure
from chainrule.report.unrolled import bits_figure, engines_figure, unrolled_figure
from chainrule.report.words import best, interval, is_trained, number, saving, summary, trap

__all__ = [
    "Span",
    "agreement_figure",
    "batches_figure",
    "best",
    "bits_figure",
    "branching_figure",
    "classes_figure",
    "clipping_figure",
    "comparison_report",
    "context_figure",
    "coverage_figure",
    "curves_figure",
    "engines_figure",
    "flow_figure",
    "forecast_figure",
    "interval",
    "is_trained",
    "k_step_figure",
    "number",
    "order_figure",
    "parameters_figure",
    "partition_figure",
    "perplexity_figure",
    "png",
    "saving",
    "signs",
    "step_figure",
    "summary",
    "surprisal_legend",
    "surprisal_spans",
    "svg",
    "trap",
    "trap_figure",
    "unrolled_figure",
    "validation_figure",
    "visible",
    "vocabulary_figure",
    "zipf_figure",
]
