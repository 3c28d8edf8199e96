# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""What n-grams cannot reach: too many to see, too short to remember."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: what n-grams cannot reach")

with app.setup:
    import marimo as mo
    import numpy as np

    from chainrule.data.codec import Codec
    from chainrule.data.example_texts import english
    from chainrule.lectures import parts
    from chainrule.lectures.parts import say
    from chainrule.models.ngram import NgramModel, WittenBell, count_ngrams
    from chainrule.recipes.lecture_networks import trained
    from chainrule.recipes.lecture_ngrams import (
        agreeing,
        agreement,
        bits_by_context,
        coverage,
        right_verbs,
        spelled,
    )
    from chainrule.report import agreement_figure, context_figure, coverage_figure

    DISTANCES = (0, 1, 2, 3, 4, 6, 8)
    CONTEXTS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 32)
    ORDERS = (2, 3, 5)
    READ, HELD_OUT = 40_000, 10_000


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
            parts.top(lang, "beyond_ngrams"),
            mo.md(
                say(
                    lang,
                    en=r"""
                    **Goal.** To see the two walls that counting runs into. There are $|V|^n$ possible n-grams, and no
                    text shows more than a sliver of them; and whatever lies further back than $n-1$ tokens does not
                    exist for the model.

                    $$p(x_t\mid x_{<t})\approx p(x_t\mid x_{t-n+1},\dots,x_{t-1})$$
                    """,
                    zh=r"""
                    **目标。**看清数数会撞上的两堵墙。可能的 n 元组有 $|V|^n$ 个，任何文本都只显示出其中一丝一毫；
                    而比 $n-1$ 个词元更早的东西，对模型来说根本不存在。

                    $$p(x_t\mid x_{<t})\approx p(x_t\mid x_{t-n+1},\dots,x_{t-1})$$
                    """,
                )
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    text = english(clean=True)
    codec = Codec.fit(text)
    ids = codec.encode(text)
    read, held_out = ids[:READ], ids[READ : READ + HELD_OUT]
    return codec, held_out, read


@app.cell(hide_code=True)
def _(codec, held_out, lang, read):
    covered = coverage(read, held_out, codec.vocab_size, range(1, 9))
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    ## Too many

                    Letters and spaces only, |V| = {codec.vocab_size}, {READ:,} characters read. Of the
                    {covered[4].possible:,.0f} possible 5-grams {covered[4].seen:,} came, and of the 8-grams in other
                    text {covered[7].held_out:.0%} had been seen. Twice the text does not help much: the left line
                    is straight on a logarithmic axis, the other one bends.
                    """,
                    zh=f"""
                    ## 太多

                    只留字母和空格，|V| = {codec.vocab_size}，读了 {READ:,} 个字符。可能的 5 元组有
                    {covered[4].possible:,.0f} 个，出现过的只有 {covered[4].seen:,} 个；另一段文本里的 8 元组，
                    只有 {covered[7].held_out:.0%} 见过。文本加倍也帮不了多少：对数坐标上一条是直线，另一条弯了下来。
                    """,
                )
            ),
            parts.picture(
                lang,
                coverage_figure(
                    [_c.order for _c in covered],
                    [_c.possible for _c in covered],
                    [_c.seen for _c in covered],
                    [_c.held_out for _c in covered],
                ),
                ["order", "possible", "seen in training", "held-out n-grams that were seen (share)"],
                [list(_c) for _c in covered],
            ),
            parts.code(lang, coverage),
        ]
    )
    return (covered,)


@app.cell(hide_code=True)
def _():
    agreed = agreement(ORDERS, DISTANCES, np.random.default_rng(0))
    return (agreed,)


@app.cell(hide_code=True)
def _(agreed, lang):
    _example = spelled(agreeing(1, 3, np.random.default_rng(1))[0])
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    ## Too short

                    A language with one rule: *{_example}*. The verb agrees with the noun; the words between say
                    nothing. With k words between them an n-gram needs n ≥ k + 2 to see both, and k + 2 = 5 already
                    means thousands of different contexts. Beyond that it guesses. A GRU with 24 units that has read
                    the same sentences once carries the noun in its state over any distance.
                    """,
                    zh=f"""
                    ## 太短

                    只有一条规则的语言：*{_example}*。动词要和名词的单复数一致，中间的词什么也不说明。
                    中间隔着 k 个词时，n 元语法要 n ≥ k + 2 才能同时看到两者；k + 2 = 5 就已经有几千种不同的上文，
                    再远就只能猜。一个 24 个单元的 GRU 把同样的句子读一遍，就能把名词放在状态里带过任何距离。
                    """,
                )
            ),
            parts.picture(
                lang,
                agreement_figure(DISTANCES, agreed),
                ["words between subject and verb", *agreed],
                [[_d, *_shares] for _d, *_shares in zip(DISTANCES, *agreed.values(), strict=True)],
            ),
            parts.code(lang, agreeing, right_verbs),
        ]
    )
    return


@app.cell(hide_code=True)
def _(codec, held_out, read):
    models = {
        **{
            f"{_n}-gram": NgramModel(count_ngrams([read], codec.vocab_size, _n), WittenBell())
            for _n in ORDERS
        },
        "GRU": trained(read, codec.vocab_size, cell="gru", hidden=64, epochs=3),
    }
    by_context = {
        _name: bits_by_context(_model, held_out, CONTEXTS).tolist() for _name, _model in models.items()
    }
    return (by_context,)


@app.cell(hide_code=True)
def _(by_context, lang):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en="""
                    ## What more context is worth

                    Held-out bits for a character when a model may look back no more than so many characters. An
                    n-gram gains nothing after n - 1. The GRU had a few seconds on little text and loses to the
                    counts here; its curve only shows where what it has learned to carry ends. With more text and
                    time that place moves, see `chainrule compare`.
                    """,
                    zh="""
                    ## 更长的上文值多少

                    模型只能往回看这么多个字符时，留出集上每个字符要多少比特。n 元语法过了 n - 1 就不再有收获。
                    这里的 GRU 只在很少的文本上训练了几秒钟，输给了数数；它的曲线只说明它学会携带的东西到哪里为止。
                    文本和时间多了，这个位置会移动，见 `chainrule compare`。
                    """,
                )
            ),
            parts.picture(
                lang,
                context_figure(CONTEXTS, by_context),
                ["context", *by_context],
                [[_c, *_bits] for _c, *_bits in zip(CONTEXTS, *by_context.values(), strict=True)],
            ),
            parts.code(lang, bits_by_context),
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
            en="Six words stand between the noun and its verb. Which is the smallest n whose n-gram sees both?",
            zh="名词和动词之间隔着六个词。最小的 n 是多少，n 元语法才能同时看到两者？",
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
        agreeing(1, 6, np.random.default_rng(0)).shape[1],
        tolerance=0,
        why=say(
            lang,
            en="The noun, six words and the verb are eight tokens: n = k + 2. And such contexts are far too many "
            "to have been seen.",
            zh="名词、六个词、动词，一共八个词元：n = k + 2。而这样的上文太多，根本见不全。",
        ),
        hint=say(
            lang,
            en="Count the tokens from the noun to the verb, both included.",
            zh="从名词数到动词，两头都算。",
        ),
    )
    parts.graded(lang, verdict)
    return (verdict,)


@app.cell(hide_code=True)
def _(lang):
    parts.bottom(lang, "beyond_ngrams")
    return


if __name__ == "__main__":
    app.run()
