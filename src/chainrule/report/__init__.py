"""Pictures and pages: what was measured, to look at."""

from chainrule.report.classes import classes_figure
from chainrule.report.drawing import png, svg
from chainrule.report.figures import curves_figure, perplexity_figure, zipf_figure
from chainrule.report.lecture import clipping_figure, flow_figure, partition_figure, validation_figure
from chainrule.report.page import comparison_report
from chainrule.report.series import forecast_figure, k_step_figure
from chainrule.report.surprisal import Span, surprisal_legend, surprisal_spans, visible
from chainrule.report.words import best, interval, is_trained, number, saving, summary, trap

__all__ = [
    "Span",
    "best",
    "classes_figure",
    "clipping_figure",
    "comparison_report",
    "curves_figure",
    "flow_figure",
    "forecast_figure",
    "interval",
    "is_trained",
    "k_step_figure",
    "number",
    "partition_figure",
    "perplexity_figure",
    "png",
    "saving",
    "summary",
    "surprisal_legend",
    "surprisal_spans",
    "svg",
    "trap",
    "validation_figure",
    "visible",
    "zipf_figure",
]
