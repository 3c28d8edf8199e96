# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The lab as a page: train, read, guess, speak, look inside, compare."""

import marimo

app = marimo.App(width="medium", app_title="chainrule lab")

with app.setup:
    import marimo as mo

    from chainrule.core import ChainruleError
    from chainrule.lab import models as shelf
    from chainrule.lab import parts, prefix, texts, views
    from chainrule.lab.job import Job

    LANGUAGES = {"en": "English", "zh": "中文"}
    KINDS = ["lstm", "gru", "rnn", "mingru", "minlstm", "window", "ngram", "bigram", "unigram"]
    COUNTED = ("ngram", "bigram", "unigram")
    SAMPLE = "The value of the expression is evaluated before the name is bound."


@app.cell
def _():
    # what the command was given, and the language to begin in
    _request = mo.app_meta().request
    _given = dict(_request.meta) if _request is not None else {}
    paths = list(_given.get("models", []))
    asked_language = str(mo.query_params().get("lang") or _given.get("language", "en"))
    return asked_language, paths


@app.cell
def _(asked_language):
    language = mo.ui.radio(
        {name: code for code, name in LANGUAGES.items()},
        value=LANGUAGES.get(asked_language, "English"),
        inline=True,
    )
    mo.hstack([mo.md("# chainrule lab"), language], justify="space-between", align="center")
    return (language,)


@app.cell
def _(language):
    def say(en, zh):
        return zh if language.value == "zh" else en

    VIEWS = {
        "train": say("Text and training", "文本与训练"),
        "read": say("Reading", "阅读"),
        "next": say("Next token", "下一个词元"),
        "speak": say("Speaking", "生成"),
        "hidden": say("Hidden state", "隐状态"),
        "compare": say("Comparison", "比较"),
    }
    return VIEWS, say


@app.cell
def _():
    get_view, set_view = mo.state("train")
    return get_view, set_view


@app.cell
def _(VIEWS, get_view, set_view):
    tabs = mo.ui.radio(
        {title: name for name, title in VIEWS.items()},
        value=VIEWS[get_view()],
        inline=True,
        on_change=set_view,
    )
    tabs
    return (tabs,)


@app.cell
def _(tabs):
    view = tabs.value
    return (view,)


@app.cell
def _(paths):
    get_models, set_models = mo.state(shelf.opened(paths))
    get_job, set_job = mo.state(None)
    return get_job, get_models, set_job, set_models


@app.cell
def _():
    source = mo.ui.dropdown([*texts.offered(), texts.PASTED, texts.SENT], value=texts.offered()[0])
    return (source,)


@app.cell
def _():
    pasted = mo.ui.text_area(rows=8, full_width=True)
    return (pasted,)


@app.cell
def _():
    sent = mo.ui.file(max_size=texts.LIMIT)
    return (sent,)


@app.cell
def _(pasted, sent, source):
    _file = (sent.value[0].name, sent.value[0].contents) if sent.value else None
    corpus, trouble = texts.chosen(source.value, pasted.value, _file)
    return corpus, trouble


@app.cell
def _():
    kind = mo.ui.dropdown(KINDS, value="lstm")
    units = mo.ui.dropdown({"auto": None, "64": 64, "128": 128, "256": 256, "512": 512}, value="auto")
    seconds = mo.ui.slider(steps=[5, 10, 20, 30, 60, 120, 300, 600], value=30, show_value=True)
    tokenizer = mo.ui.dropdown(["characters", "words", "bytes"], value="characters")
    return kind, seconds, tokenizer, units


@app.cell
def _(say):
    start = mo.ui.run_button(kind="success", label=say("Train", "训练"))
    return (start,)


@app.cell
def _(say):
    stop = mo.ui.run_button(kind="warn", label=say("Stop and keep the model", "停止并保留模型"))
    return (stop,)


@app.cell
def _(corpus, kind, pasted, say, seconds, sent, source, start, stop, tokenizer, trouble, units, view):
    mo.stop(view != "train")
    _how = parts.labelled(
        {
            say("model", "模型"): kind,
            say("units", "单元数"): units,
            say("tokens", "词元"): tokenizer,
            say("seconds at most", "最多秒数"): seconds,
        }
    )
    _given = {texts.PASTED: pasted, texts.SENT: sent}
    parts.training(say, corpus, trouble, source, _given, _how, parts.row(start, stop))
    return


@app.cell
def _(corpus, get_job, get_models, kind, say, seconds, set_job, start, tokenizer, trouble, units):
    mo.stop(not start.value)
    _running = get_job()
    if corpus is None:
        _said = trouble
    elif _running is not None and _running.running:
        _said = say("one model is being trained already: stop it first", "已有模型正在训练,请先停止")
    else:
        _recipe = {"kind": kind.value}
        if kind.value not in COUNTED:
            _recipe |= {"seconds": float(seconds.value), "hidden": units.value}
        _name = f"{len(get_models()) + 1}: {kind.value}, {corpus.name}"
        try:
            set_job(Job(corpus, _recipe, tokenizer.value, _name))
            _said = ""
        except ChainruleError as _error:
            _said = str(_error)
    mo.Html(views.complaint(_said)) if _said else None
    return


@app.cell
def _(get_job, stop):
    if stop.value and get_job() is not None:
        get_job().stop()
    return


@app.cell
def _(get_job):
    tick = None
    if get_job() is not None and get_job().running:
        tick = mo.ui.refresh(options=["1s"], default_interval="1s")
    return (tick,)


@app.cell
def _(get_job, get_models, say, set_job, set_models, tick, view):
    mo.stop(get_job() is None)
    _job = get_job()
    if tick is not None:
        tick.value
    _view = _job.view()
    if _view.status == "done" and _job.name not in get_models():
        set_models(get_models() | {_job.name: _job.model()})
    if _view.status in ("done", "failed") and tick is not None:
        set_job(_job)  # so that the clock is taken away
    parts.progress(say, _job, _view, tick) if view == "train" else tick
    return


@app.cell
def _(get_models):
    _names = list(get_models())
    first = mo.ui.dropdown(_names, value=_names[-1] if _names else None)
    second = mo.ui.dropdown(_names, value=_names[-2] if len(_names) > 1 else None)
    return first, second


@app.cell
def _():
    reading = mo.ui.text_area(value=SAMPLE, rows=4, full_width=True, debounce=400)
    return (reading,)


@app.cell
def _():
    typed = mo.ui.text_area(value="The val", rows=3, full_width=True, debounce=False)
    temperature = mo.ui.slider(0.0, 2.0, 0.05, value=1.0, show_value=True)
    top_k = mo.ui.slider(0, 50, 1, value=0, show_value=True)
    top_p = mo.ui.slider(0.05, 1.0, 0.05, value=1.0, show_value=True)
    seed = mo.ui.number(0, 9999, 1, value=0)
    return seed, temperature, top_k, top_p, typed


@app.cell
def _(first, get_models, say):
    lm = get_models().get(first.value)
    none_yet = mo.md(
        say(
            "There is no model yet: train one in the first view, or start with `chainrule lab MODEL ...`.",
            "还没有模型:请先在第一个视图中训练,或用 `chainrule lab MODEL ...` 启动。",
        )
    )
    return lm, none_yet


@app.cell
def _(first, lm, none_yet, reading, say, second, seed, temperature, top_k, top_p, typed, view):
    # the controls of a view stand in a cell of their own: what is computed from them does not touch them
    mo.stop(view in ("train", "compare"))
    mo.stop(lm is None, none_yet)
    _model = parts.row(say("model", "模型"), first)
    _to_read = mo.md(say("A text to read:", "要阅读的文本:"))
    _how = parts.labelled(
        {
            say("temperature", "温度"): temperature,
            say("top-k (0: all)", "top-k(0:全部)"): top_k,
            "top-p": top_p,
        }
    )
    _guess = mo.md(say("Type; the model guesses what comes next:", "输入文字,模型猜测接下来的内容:"))
    _go_on = mo.md(say("It goes on from:", "从这里接着说:"))
    _views = {
        "read": [parts.row(say("models", "模型"), first, second), _to_read, reading],
        "next": [_model, _guess, typed, _how],
        "speak": [_model, _go_on, typed, _how, parts.row(say("seed", "种子"), seed)],
        "hidden": [_model, _to_read, reading],
    }
    mo.vstack(_views[view])
    return


@app.cell
def _(first, get_models, reading, say, second, view):
    mo.stop(view != "read" or first.value is None)
    _names = [name for name in dict.fromkeys((first.value, second.value)) if name is not None]
    parts.side_by_side(say, {name: get_models()[name] for name in _names}, reading.value)
    return


@app.cell
def _():
    get_prefix, set_prefix = mo.state(None)
    return get_prefix, set_prefix


@app.cell
def _(get_prefix, lm, say, set_prefix, temperature, top_k, top_p, typed, view):
    mo.stop(view != "next" or lm is None)
    try:
        _how = prefix.sampling(lm, temperature.value, top_k.value, top_p.value)
        _prefix = prefix.moved(get_prefix(), lm.model, lm.codec.encode_prompt(typed.value))
        set_prefix(_prefix)
        _choices, _ = prefix.expected(lm, _prefix, _how)
        _shown = views.bars(
            _choices, (say("token", "词元"), say("the model", "模型"), say("drawn from", "抽样分布"))
        )
    except ChainruleError as _error:
        _shown = views.complaint(str(_error))
    mo.Html(_shown)
    return


@app.cell
def _(say, view):
    mo.stop(view != "speak")
    speaking = mo.ui.switch(label=say("speak", "生成"))
    speaking
    return (speaking,)


@app.cell
def _(speaking):
    beat = mo.ui.refresh(options=[0.25], default_interval=0.25) if speaking.value else None
    beat
    return (beat,)


@app.cell
def _():
    get_said, set_said = mo.state(None)
    return get_said, set_said


@app.cell
def _(beat, get_said, lm, seed, set_said, temperature, top_k, top_p, typed, view):
    mo.stop(view != "speak" or lm is None)
    try:
        _said = get_said()
        _asked = (typed.value, int(seed.value or 0))
        if _said is None or _said.lm is not lm or _said.asked != _asked:
            _said = prefix.opened(lm, *_asked)
        if beat is not None and len(_said.tokens) < 2000:
            beat.value
            _said = prefix.one_more(_said, prefix.sampling(lm, temperature.value, top_k.value, top_p.value))
        set_said(_said)
        _shown = views.told(_said)
    except ChainruleError as _error:
        _shown = views.complaint(str(_error))
    mo.Html(_shown)
    return


@app.cell
def _(lm, reading, say, view):
    mo.stop(view != "hidden" or lm is None)
    parts.hidden(say, lm, reading.value)
    return


@app.cell
def _(say):
    score = mo.ui.run_button(label=say("Compare on the text of the first view", "在第一个视图的文本上比较"))
    return (score,)


@app.cell
def _(say, score, view):
    mo.stop(view != "compare")
    mo.vstack(
        [
            mo.md(
                say(
                    "Every model on the last tenth of the text, beside baselines that are fitted on the rest. "
                    "Per-token perplexities compare only between models with the same tokens.",
                    "每个模型在文本最后十分之一上的表现,旁边是在其余部分上拟合的基线。只有词元相同的模型之间才能比较每词元困惑度。",
                )
            ),
            score,
        ]
    )
    return


@app.cell
def _(corpus, get_models, say, score, trouble, view):
    mo.stop(view != "compare" or not score.value)
    try:
        if corpus is None:
            _shown = views.complaint(trouble)
        else:
            _shown = views.table(
                shelf.compared(corpus.text, get_models()),
                (
                    say("model", "模型"),
                    say("bits per character, held out", "留出比特/字符"),
                    say("perplexity per token", "每词元困惑度"),
                    say("unknown", "未知"),
                    say("trained on", "训练过的部分"),
                ),
                "{:.0%}",
            )
    except ChainruleError as _error:
        _shown = views.complaint(str(_error))
    mo.Html(_shown)
    return


if __name__ == "__main__":
    app.run()
