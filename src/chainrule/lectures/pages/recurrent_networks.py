# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""Recurrent networks: one state for everything seen, the same few weights at every step."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: recurrent networks")

with app.setup:
    import marimo as mo
    import numpy as np

    from chainrule.data.codec import Codec, letters_only
    from chainrule.data.example_texts import english
    from chainrule.lectures import parts
    from chainrule.lectures.parts import say
    from chainrule.models.recurrent import rnn
    from chainrule.models.recurrent.network import run
    from chainrule.recipes.lecture_networks import (
        concatenated_step,
        parameter_counts,
        recurrent_parameters,
        trained,
        unrolled,
    )
    from chainrule.report import parameters_figure, unrolled_figure

    UNITS = 16
    CONTEXTS = (1, 2, 4, 8, 16, 32, 64, 128)
    SIZES = (28, 64)  # |V| and H of the exercise


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
            parts.top(lang, "recurrent_networks"),
            mo.md(
                say(
                    lang,
                    en=r"""
                    **Goal.** A state that sums up the whole past in a vector of fixed length, and weights that are
                    the same at every step.

                    $$H_t=\tanh(X_tW_x+H_{t-1}W_h+b),\qquad p(x_{t+1}\mid x_{\le t})=\mathrm{softmax}(H_tW_q+b_q)$$
                    """,
                    zh=r"""
                    **目标。**用一个长度固定的向量概括全部过去，而且每一步的权重都相同。

                    $$H_t=\tanh(X_tW_x+H_{t-1}W_h+b),\qquad p(x_{t+1}\mid x_{\le t})=\mathrm{softmax}(H_tW_q+b_q)$$
                    """,
                )
            ),
            parts.code(lang, rnn.forward, run),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    codec = Codec.fit(english(clean=True))
    network = trained(
        codec.encode(english(30_000, clean=True)), codec.vocab_size, hidden=UNITS, epochs=6, rate=1e-2
    )
    return codec, network


@app.cell(hide_code=True)
def _():
    typed = mo.ui.text(value="the value of", max_length=14)
    return (typed,)


@app.cell(hide_code=True)
def _(lang, typed):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    ## Unrolled

                    A network of {UNITS} units that has just read 30,000 characters of the Python reference six
                    times. Below each column the character that is read, in the column the hidden vector (orange
                    below zero, purple above), on top what it expects next and how surely. Type something else: at
                    most 14 letters.
                    """,
                    zh=f"""
                    ## 按时间展开

                    一个 {UNITS} 个单元的网络，刚把 Python 参考手册的 30,000 个字符读了六遍。每一列下面是读入的字符，
                    列里是隐状态(橙色小于零，紫色大于零)，上面是它预测的下一个字符和概率。换一句试试：最多 14 个字母。
                    """,
                )
            ),
            parts.knob(say(lang, en="Read", zh="读入"), typed),
        ]
    )
    return


@app.cell(hide_code=True)
def _(codec, lang, network, typed):
    read = letters_only(typed.value).strip() or "the"
    steps = unrolled(network, codec.encode(read))
    likeliest = steps.log_probs.argmax(axis=1)
    expected = [codec.vocabulary.tokens[_i] for _i in likeliest]
    sureness = np.exp(steps.log_probs.max(axis=1))
    parts.picture(
        lang,
        unrolled_figure(
            [parts.shown(_c) for _c in read],
            steps.hidden,
            [f"{parts.shown(_c)} {_p:.0%}" for _c, _p in zip(expected, sureness, strict=True)],
        ),
        ["token", *(f"h{_u}" for _u in range(1, UNITS + 1))],
        [[parts.shown(_c), *map(float, _h)] for _c, _h in zip(read, steps.hidden, strict=True)],
    )
    return read, steps


@app.cell(hide_code=True)
def _(lang):
    product = concatenated_step(3, 4, 5, np.random.default_rng(0))
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    ## Two products or one

                    $X_tW_x+H_{{t-1}}W_h$ is one product of the matrices put together,
                    $[X_t\\;H_{{t-1}}]\\,[W_x;\\,W_h]$. Computed both ways, the largest difference is
                    {product.difference:.1e}: rounding.
                    """,
                    zh=f"""
                    ## 两个乘积，还是一个

                    $X_tW_x+H_{{t-1}}W_h$ 就是把矩阵拼起来的一个乘积 $[X_t\\;H_{{t-1}}]\\,[W_x;\\,W_h]$。
                    两种算法的最大差异是 {product.difference:.1e}：只是舍入误差。
                    """,
                )
            ),
            parts.table(
                lang, ["array", "shape"], [[_n, parts.Token(_s)] for _n, _s in product.shapes.items()]
            ),
            parts.code(lang, concatenated_step),
        ]
    )
    return (product,)


@app.cell(hide_code=True)
def _(lang):
    grown = parameter_counts(28, 64, CONTEXTS)
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en="""
                    ## The number of parameters is constant

                    The length of the text is in none of the shapes. A window's weights grow with the window, a full
                    table of n-grams with |V| to its power; a recurrent network looks back as far as its state
                    remembers with the same weights.
                    """,
                    zh="""
                    ## 参数个数是常数

                    没有一个形状里出现文本的长度。窗口模型的权重随窗口增长，完整的 n 元组表按 |V| 的幂增长；
                    循环网络用同样的权重，能看多远只看状态记得多远。
                    """,
                )
            ),
            parts.picture(
                lang,
                parameters_figure(CONTEXTS, grown),
                ["context", *grown],
                [[_c, *_ns] for _c, *_ns in zip(CONTEXTS, *grown.values(), strict=True)],
            ),
            parts.code(lang, recurrent_parameters),
        ]
    )
    return (grown,)


@app.cell(hide_code=True)
def _(lang):
    answer = parts.blank(lang)
    parts.question(
        lang,
        say(
            lang,
            en=f"How many numbers has a network with |V| = {SIZES[0]}, one-hot input and {SIZES[1]} hidden units?",
            zh=f"|V| = {SIZES[0]}，独热输入，{SIZES[1]} 个隐藏单元：这个网络一共有多少个参数？",
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
    _parts = recurrent_parameters(*SIZES)
    _sum = " + ".join(f"{_count:,} ({_name})" for _name, _count in _parts.items())
    verdict = parts.typed(
        lang,
        given,
        sum(_parts.values()),
        tolerance=0,
        why=say(lang, en=f"It is {_sum}.", zh=f"就是 {_sum}。"),
        hint=say(
            lang,
            en="There are five arrays: W_x [V, H], W_h [H, H], b [H], W_q [H, V] and b_q [V].",
            zh="共有五个数组：W_x [V, H]、W_h [H, H]、b [H]、W_q [H, V] 和 b_q [V]。",
        ),
    )
    parts.graded(lang, verdict)
    return (verdict,)


@app.cell(hide_code=True)
def _(lang):
    parts.bottom(lang, "recurrent_networks")
    return


if __name__ == "__main__":
    app.run()
