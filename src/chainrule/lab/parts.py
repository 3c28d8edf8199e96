"""Parts of the page, put together of marimo's elements; `say` picks the language: say(English, Chinese)."""

from collections.abc import Callable, Mapping
from typing import Any

import marimo as mo
from markupsafe import escape

from chainrule.core import ChainruleError
from chainrule.data.corpora import Corpus
from chainrule.lab import texts, views
from chainrule.lab.job import Job, View
from chainrule.lab.models import hidden_states
from chainrule.language_model import LanguageModel
from chainrule.report import signs, svg
from chainrule.report.learning import hidden_figure

Say = Callable[[str, str], str]
FIRST_UNITS = 16  # of a hidden state, in the table of its numbers


def labelled(elements: Mapping[str, Any]) -> Any:
    """Elements in a row, each under its name."""
    columns = [mo.vstack([mo.md(name), element]) for name, element in elements.items()]
    return mo.hstack(columns, justify="start", gap=2, wrap=True)


def row(*elements: Any) -> Any:
    """Elements in a row; strings are prose."""
    return mo.hstack([mo.md(e) if isinstance(e, str) else e for e in elements], justify="start")


def training(
    say: Say,
    corpus: Corpus | None,
    trouble: str,
    source: Any,
    given: Mapping[str, Any],
    how: Any,
    buttons: Any,
) -> Any:
    """The first view: which text, which model, and the two buttons. given: elements for texts by hand."""
    if corpus is None:
        what = mo.Html(views.complaint(trouble))
    else:
        name, length = escape(corpus.name), f"{len(corpus.text):,}"
        what = mo.Html(
            say(
                f"<p><b>{name}</b>: {length} characters; the last tenth is held out.</p>",
                f"<p><b>{name}</b>:{length} 个字符,最后十分之一留出。</p>",
            )
        )
    hint = say("Paste a text (it is taken when you leave the box):", "粘贴文本(离开输入框后生效):")
    own = {texts.PASTED: [mo.md(hint), given[texts.PASTED]], texts.SENT: [given[texts.SENT]]}
    top = row(say("**Text**", "**文本**"), source)
    return mo.vstack([top, *own.get(source.value, []), what, how, buttons])


def progress(say: Say, job: Job, view: View, tick: Any) -> Any:
    """How a run goes: a line, its curves, their numbers."""
    words = (
        say("seconds", "秒"),
        say("bits per character", "比特/字符"),
        say("in training", "训练"),
        say("held out (validation)", "留出(验证)"),
    )
    line = mo.Html(f"<p><b>{escape(job.name)}</b> · {_status(say, view)}</p>")
    parts = [line if tick is None else mo.hstack([line, tick], justify="space-between")]
    if view.lines:
        numbers = mo.ui.table(views.run_rows(view), selection=None)
        parts += [mo.Html(views.learning(view, words)), mo.accordion({say("The numbers", "数据"): numbers})]
    if view.status == "done":
        label, kind = say("Save the model as a file", "把模型保存为文件"), "application/octet-stream"
        parts.append(row(mo.download(job.file, f"{job.kind}.chainrule", kind, label=label)))
    return mo.vstack(parts)


def _status(say: Say, view: View) -> str:
    """In words, as HTML."""
    done = f" · {view.lines[-1]['progress']:.0%}" if view.lines else ""
    held_out = view.last.get("held_out")
    match view.status:
        case "running":
            return say("training", "训练中") + done
        case "stopping":
            return say(
                "stopping: what was learned is kept, and scored on the held-out text",
                "正在停止:保留所学,并在留出文本上评分",
            )
        case "done":
            figure = "" if held_out is None else say(
                f"; held out (test): {held_out:.3f} bits per character",
                f";留出集(测试):{held_out:.3f} 比特/字符",
            )  # fmt: skip
            told = say(
                "done: the model is in the lists of the other views", "完成:模型已出现在其他视图的列表中"
            )
            return told + figure
        case _:
            return views.complaint(str(view.last.get("error", "")))


def side_by_side(say: Say, lms: Mapping[str, LanguageModel], text: str) -> Any:
    """The text as each model reads it."""
    legend = {
        "bits": say("bits", "比特"),
        "bits per character": say("bits per character", "比特/字符"),
        "perplexity": say("perplexity", "困惑度"),
        "unknown": say("symbols unknown", "个未知符号"),
        "cut": say("only the first {} tokens", "仅前 {} 个词元"),
        "empty": say("The text is empty.", "文本为空。"),
    }
    title = say("The most surprising tokens", "最意外的词元")
    columns = [
        mo.vstack(
            [
                mo.Html(f"<b>{escape(name)}</b>"),
                mo.Html(views.coloured(lm, text, legend)),
                mo.accordion({title: mo.ui.table(views.surprises(lm, text), selection=None)}),
            ]
        )
        for name, lm in lms.items()
    ]
    return mo.hstack(columns, widths="equal", gap=1.5, align="start")


def hidden(say: Say, lm: LanguageModel, text: str) -> Any:
    """The hidden state over a text, and the numbers of its first units."""
    try:
        tokens, vectors = hidden_states(lm, text)
    except ChainruleError as error:
        return mo.Html(views.complaint(str(error)))
    rows = [
        {"#": i, "token": signs(token)}
        | {f"h{j}": round(float(value), 3) for j, value in enumerate(vector[:FIRST_UNITS])}
        for i, (token, vector) in enumerate(zip(tokens, vectors, strict=True), 1)
    ]
    drawn = svg(hidden_figure(tokens, vectors, say("hidden unit", "隐藏单元")))
    title = say(f"The numbers (of the first {FIRST_UNITS} units)", f"数据(前 {FIRST_UNITS} 个单元)")
    return mo.vstack(
        [
            mo.Html(f'<div class="cr-hidden">{drawn}</div>'),
            mo.accordion({title: mo.ui.table(rows, selection=None)}),
        ]
    )
