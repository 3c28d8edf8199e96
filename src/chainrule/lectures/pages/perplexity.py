# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""Perplexity: from probabilities to bits to a file, and what the number counts."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: perplexity")

with app.setup:
    import math

    import marimo as mo
    import numpy as np

    from chainrule.data.codec import Codec
    from chainrule.data.example_texts import english
    from chainrule.lectures import parts
    from chainrule.lectures.parts import say
    from chainrule.models.ngram import NgramModel, WittenBell, count_ngrams
    from chainrule.recipes.lecture_coding import branching, one_favourite, perplexity_of, priced
    from chainrule.report import bits_figure, branching_figure
    from chainrule.tasks.compression import coder
    from chainrule.tasks.evaluation import Evaluation

    ASKED = (1 / 2, 1 / 4, 1 / 4, 1 / 8)
    GRID = [_i / 100 for _i in range(101)]


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
            parts.top(lang, "perplexity"),
            mo.md(
                say(
                    lang,
                    en=r"""
                    **Goal.** One number that says how well a model predicts, with a meaning one can hold in the hand:
                    the size of a file.

                    $$\text{bits}=-\log_2 p(x_t\mid x_{<t}),\qquad
                    \text{perplexity}=\exp\Big(-\frac1T\sum_t\log p(x_t\mid x_{<t})\Big)=2^{\text{mean bits}}$$
                    """,
                    zh=r"""
                    **目标。**用一个数说明模型预测得有多好，而且这个数有摸得着的含义：文件的大小。

                    $$\text{比特}=-\log_2 p(x_t\mid x_{<t}),\qquad
                    \text{困惑度}=\exp\Big(-\frac1T\sum_t\log p(x_t\mid x_{<t})\Big)=2^{\text{平均比特}}$$
                    """,
                )
            ),
            parts.code(lang, Evaluation.perplexity.fget),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    text = english(150_000)
    codec = Codec.fit(text)
    model = NgramModel(count_ngrams([codec.encode(text)], codec.vocab_size, 5), WittenBell())
    return codec, model


@app.cell(hide_code=True)
def _():
    typed = mo.ui.text(value="the value of the expression", max_length=400, full_width=True)
    return (typed,)


@app.cell(hide_code=True)
def _(lang, typed):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en="""
                    ## From probabilities to a file

                    A 5-gram model of the Python reference reads what you type. Each character costs -log2 p bits,
                    and an arithmetic coder needs as many bits as that to write it, all together: the last column
                    of the table, and the bytes below, come of the real coder.
                    """,
                    zh="""
                    ## 从概率到文件

                    一个 Python 参考手册的 5 元语法模型读你输入的文字。每个字符花费 -log2 p 比特，算术编码器写下它们
                    总共就需要这么多比特：下面的字节数来自真正的编码器。
                    """,
                )
            ),
            parts.knob(say(lang, en="Text", zh="文本"), typed),
        ]
    )
    return


@app.cell(hide_code=True)
def _(codec, lang, model, typed):
    tokens = codec.split(typed.value)
    cost = parts.attempt(lang, lambda: priced(model, codec.vocabulary.encode(tokens)))
    sums = np.cumsum(cost.bits)
    mo.vstack(
        [
            parts.picture(
                lang,
                bits_figure([parts.shown(_t) for _t in tokens[:60]], cost.bits[:60]),
                ["token", "probability", "bits", "bits so far"],
                [
                    [parts.shown(_t), float(2**-_b), float(_b), float(_s)]
                    for _t, _b, _s in zip(tokens, cost.bits, sums, strict=True)
                ],
            ),
            mo.md(
                say(
                    lang,
                    en=f"""
                    {len(tokens)} characters, {sums[-1]:.1f} bits: **{sums[-1] / 8:.1f} bytes** by the sum, and
                    **{len(cost.payload)} bytes** from the coder, which writes whole words of 4. As plain text it is
                    {len(typed.value.encode())} bytes. The perplexity is 2^({sums[-1]:.1f} / {len(tokens)}) =
                    **{cost.perplexity:.2f}**.
                    """,
                    zh=f"""
                    {len(tokens)} 个字符，{sums[-1]:.1f} 比特：按总和是 **{sums[-1] / 8:.1f} 字节**，编码器实际写出
                    **{len(cost.payload)} 字节**(以 4 字节为单位)。原文是 {len(typed.value.encode())} 字节。
                    困惑度是 2^({sums[-1]:.1f} / {len(tokens)}) = **{cost.perplexity:.2f}**。
                    """,
                )
            ),
            parts.code(lang, coder.encode, coder.frequencies),
        ]
    )
    return cost, sums, tokens


@app.cell(hide_code=True)
def _():
    size = mo.ui.slider(2, 100, value=28, show_value=True)
    favourite = mo.ui.slider(0, 100, value=60, show_value=True)
    return favourite, size


@app.cell(hide_code=True)
def _(favourite, lang, size):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en="""
                    ## 1, |V|, infinity

                    One token has the probability on the slider, all others share the rest. If that token comes, the
                    perplexity of this one prediction is 1/p: **1** for a model that was sure and right, **|V|** for
                    one that guessed, **∞** for one that thought it impossible. The mean over what really comes is
                    the *weighted branching factor*, exp(H): among how many equally likely tokens it would be as hard
                    to choose.
                    """,
                    zh="""
                    ## 1、|V|、无穷大

                    一个词元的概率由滑块决定，其余的平分剩下的概率。如果来的就是它，这一次预测的困惑度是 1/p：
                    有把握而且猜对，是 **1**；随便猜，是 **|V|**；认为不可能却来了，是 **∞**。
                    对真正会来的词元取平均，就是*加权分支数* exp(H)：相当于在多少个同样可能的词元里挑一个。
                    """,
                )
            ),
            parts.knob("|V|", size),
            parts.knob(say(lang, en="Probability (percent)", zh="概率(百分比)"), favourite),
        ]
    )
    return


@app.cell(hide_code=True)
def _(favourite, lang, size):
    p = favourite.value / 100
    of_one = perplexity_of([p])
    factor = branching(one_favourite(size.value, p))
    curves = {
        "perplexity of one token": [perplexity_of([_p]) if _p else math.nan for _p in GRID],
        "weighted branching factor": [branching(one_favourite(size.value, _p)) for _p in GRID],
    }
    mo.vstack(
        [
            parts.picture(
                lang,
                branching_figure(GRID, curves, (p, of_one), size.value),
                ["probability", *curves],
                [[_p, *_values] for _p, *_values in list(zip(GRID, *curves.values(), strict=True))[::10]],
            ),
            mo.md(
                say(
                    lang,
                    en=f"|V| = {size.value}, p = {p:.2f}: perplexity **{of_one:.2f}**, "
                    f"weighted branching factor **{factor:.2f}**.",
                    zh=f"|V| = {size.value}，p = {p:.2f}：困惑度 **{of_one:.2f}**，加权分支数 **{factor:.2f}**。",
                )
            ),
            parts.code(lang, perplexity_of, branching),
        ]
    )
    return factor, of_one


@app.cell(hide_code=True)
def _(lang):
    answer = parts.blank(lang)
    parts.question(
        lang,
        say(
            lang,
            en="A model gave the four tokens that came the probabilities 1/2, 1/4, 1/4, 1/8. Its perplexity?",
            zh="模型给实际出现的四个词元的概率是 1/2、1/4、1/4、1/8。它的困惑度是多少？",
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
        perplexity_of(ASKED),
        why=say(
            lang,
            en="1 + 2 + 2 + 3 = 8 bits for 4 tokens: 2 bits each, and 2² = 4.",
            zh="1 + 2 + 2 + 3 = 8 比特，4 个词元：每个 2 比特，2² = 4。",
        ),
        hint=say(
            lang,
            en="Write each probability as bits, take their mean, raise 2 to it.",
            zh="先把每个概率换成比特，求平均，再作为 2 的指数。",
        ),
    )
    parts.graded(lang, verdict)
    return (verdict,)


@app.cell(hide_code=True)
def _(lang):
    parts.bottom(lang, "perplexity")
    return


if __name__ == "__main__":
    app.run()
