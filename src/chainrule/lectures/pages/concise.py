# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The concise version: the same weights in both engines, side by side."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: the concise version")

with app.setup:
    import marimo as mo
    import numpy as np

    from chainrule.data.codec import Codec
    from chainrule.data.example_texts import english
    from chainrule.lectures import parts
    from chainrule.lectures.parts import say
    from chainrule.models.recurrent import rnn
    from chainrule.recipes.lecture_engines import in_both_engines, torch_network, without_torch
    from chainrule.report import engines_figure

    READ = "the value of the exp"
    UNITS = 32


@app.cell(hide_code=True)
def _():
    language = parts.switch()
    language
    return (language,)


@app.cell(hide_code=True)
def _(language):
    lang = language.value
    return (lang,)


@app.cell(hide_code=True)
def _(lang):
    mo.vstack(
        [
            parts.top(lang, "concise"),
            mo.md(
                say(
                    lang,
                    en=r"""
                    **Goal.** The same network once more, with a framework that has the layers and makes the backward
                    pass itself; and to see that nothing else about it is different.

                    $$H_t=\tanh(X_tW_x+b_x+H_{t-1}W_h+b_h)$$

                    PyTorch keeps two biases where the equation needs one. chainrule holds the second at zero, so
                    that both engines have the same weights, the same files and, but for rounding, the same numbers.
                    """,
                    zh=r"""
                    **目标。**把同一个网络再写一遍，这次用框架：层是现成的，反向传播自动生成；并看清楚除此之外没有任何区别。

                    $$H_t=\tanh(X_tW_x+b_x+H_{t-1}W_h+b_h)$$

                    公式只需要一个偏置，PyTorch 有两个。chainrule 让第二个保持为零，所以两个引擎的权重相同、文件相同，
                    除了舍入误差，数字也相同。
                    """,
                )
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    cell = mo.ui.dropdown(["rnn", "gru", "lstm"], value="rnn")
    missing = without_torch()
    return cell, missing


@app.cell(hide_code=True)
def _(lang, missing):
    (
        mo.callout(
            mo.md(
                say(
                    lang,
                    en=f"**PyTorch is not here, so this page shows the network from scratch only.** {missing}",
                    zh=f"**这里没有装 PyTorch，所以本页只显示从零实现的网络。** {missing}",
                )
            ),
            kind="warn",
        )
        if missing
        else mo.md(
            say(
                lang,
                en="PyTorch is installed: both engines run below.",
                zh="已安装 PyTorch：下面两个引擎都会运行。",
            )
        )
    )
    return


@app.cell(hide_code=True)
def _(lang, missing):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en="## The forward pass, twice\n\nFrom scratch: a loop over the steps. In PyTorch: a layer.",
                    zh="## 两种写法的前向传播\n\n从零实现：对每一步循环。用 PyTorch：一个层。",
                )
            ),
            parts.code(lang, rnn.forward, rnn.backward, *([] if missing else [torch_network()])),
        ]
    )
    return


@app.cell(hide_code=True)
def _(cell, lang):
    parts.knob(say(lang, en="Cell", zh="单元类型"), cell)
    return


@app.cell(hide_code=True)
def _(cell, missing):
    text = english(20_000, clean=True)
    codec = Codec.fit(text)
    ids, read = codec.encode(text), codec.encode(READ)
    engines = None if missing else in_both_engines(ids, read, codec.vocab_size, cell.value, hidden=UNITS)
    return codec, engines


@app.cell(hide_code=True)
def _(codec, engines, lang):
    mo.stop(engines is None)
    likeliest = np.argsort(-engines.scratch[-1], kind="stable")[:6]
    tokens = [parts.shown(codec.vocabulary.tokens[_i]) for _i in likeliest]
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    ## Side by side

                    Both begin with the same weights and take the same steps over 20,000 characters. Then both read
                    *{READ}*. Left, what they expect next; right, how far apart their log-probabilities are after each
                    character: at most {engines.differences.max():.1e} nats, the rounding of single precision.
                    """,
                    zh=f"""
                    ## 并排比较

                    两者从相同的权重出发，在 20,000 个字符上走同样的训练步，然后都读 *{READ}*。左图：它们预测的下一个字符；
                    右图：每读一个字符之后，两者的对数概率相差多少：最多 {engines.differences.max():.1e} 纳特，
                    就是单精度的舍入误差。
                    """,
                )
            ),
            parts.picture(
                lang,
                engines_figure(
                    tokens,
                    {
                        "from scratch": np.exp(engines.scratch[-1][likeliest]).tolist(),
                        "by PyTorch": np.exp(engines.torch[-1][likeliest]).tolist(),
                    },
                    engines.differences.tolist(),
                ),
                ["token", "from scratch", "by PyTorch"],
                [
                    [_t, float(np.exp(engines.scratch[-1][_i])), float(np.exp(engines.torch[-1][_i]))]
                    for _t, _i in zip(tokens, likeliest, strict=True)
                ],
            ),
            parts.table(
                lang,
                ["array", "difference"],
                [[parts.Token(_n), parts.Token(f"{_d:.1e}")] for _n, _d in engines.weights.items()],
            ),
            parts.code(lang, in_both_engines),
        ]
    )
    return


@app.cell(hide_code=True)
def _(lang):
    answer = parts.blank(lang)
    parts.question(
        lang,
        say(
            lang,
            en=f"How many numbers more than the equation needs does PyTorch's RNN layer hold, for {UNITS} units?",
            zh=f"{UNITS} 个单元时，PyTorch 的 RNN 层比公式多出多少个数？",
        ),
        answer,
    )
    return (answer,)


@app.cell(hide_code=True)
def _(answer):
    given = answer.value
    return (given,)


@app.cell(hide_code=True)
def _(given, lang):
    verdict = parts.typed(
        lang,
        given,
        UNITS,
        tolerance=0,
        why=say(
            lang,
            en="The second bias, one number for each unit. Added to the first it can express nothing new.",
            zh="第二个偏置，每个单元一个数。它和第一个相加，表达不出任何新东西。",
        ),
        hint=say(
            lang,
            en="What does PyTorch have twice that the equation has once, and how long is it?",
            zh="公式里只有一份、PyTorch 里却有两份的是什么？它有多长？",
        ),
    )
    parts.graded(lang, verdict)
    return (verdict,)


@app.cell(hide_code=True)
def _(lang):
    parts.bottom(lang, "concise")
    return


if __name__ == "__main__":
    app.run()
