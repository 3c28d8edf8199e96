# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""Language models and data sets: the chain rule both ways, counts, add-one, Zipf's law, two partitions."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: language models and data sets")

with app.setup:
    import math

    import marimo as mo

    from chainrule.data import partition
    from chainrule.data.codec import Codec
    from chainrule.data.example_texts import CHINESE, SENTENCES
    from chainrule.lectures import parts
    from chainrule.lectures.parts import say
    from chainrule.models.ngram import AddK, MaximumLikelihood, WittenBell, count_ngrams
    from chainrule.recipes.counted import top_ngrams
    from chainrule.recipes.lecture_ngrams import chain_rule, count_in_ring, smoothed
    from chainrule.recipes.lecture_text import windows_read
    from chainrule.report import batches_figure, zipf_figure
    from chainrule.tasks.zipf import fit_zipf

    RING = [token for token in CHINESE if not token.isspace()]
    SMOOTHINGS = (MaximumLikelihood(), AddK(1.0), AddK(0.1), AddK(0.01), WittenBell())


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
            parts.top(lang, "language_models"),
            mo.md(
                say(
                    lang,
                    en=r"""
                    **Goal.** A language model gives every text a probability. The chain rule takes it apart, one
                    token at a time; counting estimates the parts; smoothing is what to do about parts that were
                    never seen.

                    $$p(x_1,\dots,x_T)=\prod_{t=1}^T p(x_t\mid x_{<t})=\prod_{t=1}^T p(x_t\mid x_{>t}),\qquad
                    p(w\mid h)\approx\frac{c(hw)}{c(h)}$$
                    """,
                    zh=r"""
                    **目标。**语言模型给每一段文本一个概率。链式法则把它一个词元一个词元地拆开；每一部分靠数数来估计；
                    从没见过的部分怎么办，就是平滑。

                    $$p(x_1,\dots,x_T)=\prod_{t=1}^T p(x_t\mid x_{<t})=\prod_{t=1}^T p(x_t\mid x_{>t}),\qquad
                    p(w\mid h)\approx\frac{c(hw)}{c(h)}$$
                    """,
                )
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    sentence = mo.ui.dropdown(list(SENTENCES), value=SENTENCES[0])
    return (sentence,)


@app.cell(hide_code=True)
def _(lang, sentence):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en="""
                    ## The chain rule, forwards and backwards

                    Counted in a page of Chinese sentences whose end is joined to its beginning. Read a sentence
                    from its first character on, or from its last: the factors differ, the product does not.
                    """,
                    zh="""
                    ## 链式法则：从前往后，从后往前

                    在一页中文句子里数(首尾相接成环)。一句话从第一个字读起，或者从最后一个字读起：
                    每个因子都不同，乘积却相同。
                    """,
                )
            ),
            parts.knob(say(lang, en="Sentence", zh="句子"), sentence),
        ]
    )
    return


@app.cell(hide_code=True)
def _(lang, sentence):
    ways = {
        say(lang, en="Forwards", zh="从前往后"): chain_rule(RING, list(sentence.value)),
        say(lang, en="Backwards", zh="从后往前"): chain_rule(RING, list(sentence.value), backwards=True),
    }
    products = [math.prod(_factor.probability for _factor in _way) for _way in ways.values()]
    mo.vstack(
        [
            mo.hstack(
                [
                    mo.vstack(
                        [
                            mo.md(f"**{_name}**: p = {_product:.6f}"),
                            parts.table(
                                lang,
                                ["token", "given", "together", "alone", "probability"],
                                [
                                    [
                                        parts.shown(_factor.token),
                                        parts.shown("".join(_factor.given)),
                                        _factor.together,
                                        _factor.alone,
                                        _factor.probability,
                                    ]
                                    for _factor in _way
                                ],
                            ),
                        ]
                    )
                    for (_name, _way), _product in zip(ways.items(), products, strict=True)
                ],
                wrap=True,
                justify="start",
            ),
            parts.code(lang, chain_rule),
        ]
    )
    return products, ways


@app.cell(hide_code=True)
def _():
    chosen, own = parts.choose_text(), parts.own_text()
    cut = mo.ui.dropdown(["characters", "words", "chinese-words"], value="words")
    return chosen, cut, own


@app.cell(hide_code=True)
def _(chosen, cut, lang, own):
    mo.vstack(
        [
            mo.md(say(lang, en="## Counting", zh="## 数 n 元组")),
            parts.knob(say(lang, en="Text", zh="文本"), chosen),
            own,
            parts.knob(say(lang, en="Split into", zh="切分方式"), cut),
        ]
    )
    return


@app.cell(hide_code=True)
def _(chosen, cut, lang, own):
    text = parts.attempt(lang, lambda: parts.text_of(lang, chosen.value, own.value, clean=True))
    codec = parts.attempt(lang, lambda: Codec.fit(text, cut.value))
    ids = codec.encode(text)
    counts = parts.attempt(lang, lambda: count_ngrams([ids], codec.vocab_size, 3))
    return codec, counts, ids


@app.cell(hide_code=True)
def _(codec, counts, ids, lang):
    spelled = parts.Token if codec.tokenizer.loses else parts.shown
    tops = [top_ngrams(counts, codec, _n, 10) for _n in (1, 2, 3)]
    _rows = [
        [
            _cell
            for _top in tops
            for _cell in ((spelled(_top[_r][0]), _top[_r][1]) if _r < len(_top) else ("", 0))
        ]
        for _r in range(10)
    ]
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"{len(ids):,} tokens, |V| = {codec.vocab_size:,}: the most frequent 1-, 2- and 3-grams.",
                    zh=f"共 {len(ids):,} 个词元，|V| = {codec.vocab_size:,}：最常见的一、二、三元组。",
                )
            ),
            parts.table(lang, ["1-gram", "count", "2-gram", "count", "3-gram", "count"], _rows),
            parts.code(lang, count_ngrams),
        ]
    )
    return spelled, tops


@app.cell(hide_code=True)
def _(codec, ids, lang):
    _cut = len(ids) * 9 // 10
    table_of_smoothings = parts.attempt(
        lang,
        lambda: [
            smoothed(count_ngrams([ids[:_cut]], codec.vocab_size, 2), ids[:_cut], ids[_cut:], _by)
            for _by in SMOOTHINGS
        ],
    )
    _one = table_of_smoothings[1]
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    ## Add one, and what it breaks

                    A bigram that never came has probability 0, and so has every text that holds it: perplexity ∞.
                    Laplace adds one to every count, $p(w\\mid h)=\\frac{{c(hw)+1}}{{c(h)+|V|}}$. That is a lot of
                    ones: after an average held-out context add-1 gives **{_one.unseen:.0%}** of the probability to
                    tokens that never followed it, and that happens **{_one.happened:.0%}** of the time.
                    Witten-Bell asks the shorter history instead, and how many different tokens followed.
                    """,
                    zh=f"""
                    ## 加一平滑，以及它弄坏了什么

                    从没出现过的二元组概率是 0，含有它的文本概率也是 0，困惑度是 ∞。拉普拉斯给每个计数加一：
                    $p(w\\mid h)=\\frac{{c(hw)+1}}{{c(h)+|V|}}$。这些"一"加起来太多了：平均一个留出上文之后，
                    加一平滑把 **{_one.unseen:.0%}** 的概率给了从没跟在后面的词元，而这只在 **{_one.happened:.0%}** 的时候发生。
                    Witten-Bell 则去问更短的上文，并看后面跟过多少种不同的词元。
                    """,
                )
            ),
            parts.table(
                lang,
                [
                    "smoothing",
                    "perplexity, training",
                    "perplexity, held out",
                    "probability of what was never seen",
                    "how often it happened",
                ],
                [list(_row) for _row in table_of_smoothings],
            ),
            parts.code(lang, AddK, WittenBell),
        ]
    )
    return (table_of_smoothings,)


@app.cell(hide_code=True)
def _(counts, lang):
    frequencies = {_n: counts.ngrams(_n)[1] for _n in (1, 2, 3)}
    fits = parts.attempt(lang, lambda: {_n: fit_zipf(_f) for _n, _f in frequencies.items()})
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=r"""
                    ## Zipf's law

                    The $r$-th most frequent token comes in proportion to $r^{-\alpha}$: on logarithmic axes nearly a
                    line. $\alpha$ is fitted by maximum likelihood. It falls from words to pairs and triples: of
                    long n-grams most come once, so counts alone say little of them.
                    """,
                    zh=r"""
                    ## 齐普夫定律

                    排第 $r$ 的词元，频数正比于 $r^{-\alpha}$：在双对数坐标上差不多是一条直线。$\alpha$ 用最大似然估计。
                    从一元组到二元、三元组，它越来越小：长的 n 元组大多只出现一次，光靠计数说明不了什么。
                    """,
                )
            ),
            parts.picture(
                lang,
                zipf_figure(frequencies, fits),
                ["n-grams", "tokens", "different", "alpha", "standard error"],
                [
                    [f"{_n}-grams", _f.tokens, _f.types, _f.alpha, _f.standard_error]
                    for _n, _f in fits.items()
                ],
            ),
            parts.code(lang, fit_zipf),
        ]
    )
    return (fits,)


@app.cell(hide_code=True)
def _():
    rows, steps = mo.ui.slider(1, 4, value=3, show_value=True), mo.ui.slider(3, 10, value=6, show_value=True)
    seed = mo.ui.slider(0, 9, value=0, show_value=True)
    return rows, seed, steps


@app.cell(hide_code=True)
def _(lang, rows, seed, steps):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en="""
                    ## From a text to batches

                    A text is cut into windows from a random place on. **Random** partition reads them in any
                    order, and the state starts anew each time. **Sequential** partition gives every row of a batch
                    its own stretch of the text: row r of a batch goes on where row r of the batch before ended, so
                    the state can be carried. Colours and numbers are the rows of a batch.
                    """,
                    zh="""
                    ## 从文本到批次

                    从一个随机的位置起，把文本切成窗口。**随机分区**以任意顺序读窗口，每次状态重新开始。
                    **顺序分区**让批次的每一行各占文本的一段：本批第 r 行接着上一批第 r 行往下读，所以状态可以传下去。
                    颜色和数字表示批次里的行。
                    """,
                )
            ),
            parts.knob(say(lang, en="Rows of a batch", zh="每批的行数"), rows),
            parts.knob(say(lang, en="Steps", zh="步数"), steps),
            parts.knob(say(lang, en="Seed", zh="随机种子"), seed),
        ]
    )
    return


@app.cell(hide_code=True)
def _(lang, rows, seed, steps):
    panels = {
        _name: windows_read(_name, 100, rows.value, steps.value, seed.value)
        for _name in ("random", "sequential")
    }
    parts.picture(
        lang,
        batches_figure(panels, 100),
        ["what", "batch", "row", "first token", "last token"],
        [
            [_name, _b, _r, _first, _first + _length - 1]
            for _name, _batches in panels.items()
            for _b, _rows in enumerate(_batches, 1)
            for _r, (_first, _length) in enumerate(_rows, 1)
        ],
    )
    return (panels,)


@app.cell(hide_code=True)
def _(lang):
    parts.code(lang, partition.random_batches, partition.sequential_batches)
    return


@app.cell(hide_code=True)
def _(lang):
    asked = [count_in_ring(RING, "去了食"), count_in_ring(RING, "去了")]
    answer = parts.blank(lang)
    parts.question(
        lang,
        say(
            lang,
            en=f"In the Chinese sentences 去了食 comes {asked[0]} times and 去了 {asked[1]} times. "
            "What does maximum likelihood estimate for p(食 | 去了)?",
            zh=f"在这些中文句子里，"
            f"“去了食”出现 {asked[0]} 次，“去了”出现 {asked[1]} 次。最大似然估计的 p(食 | 去了) 是多少？",
        ),
        answer,
    )
    return answer, asked


@app.cell(hide_code=True)
def _(answer):
    given = answer.value
    return (given,)


@app.cell(hide_code=True)
def _(asked, given, lang):
    verdict = parts.typed(
        lang,
        given,
        asked[0] / asked[1],
        why=say(
            lang,
            en=f"The share of 去了 that 食 follows: {asked[0]}/{asked[1]} = {asked[0] / asked[1]:.3f}.",
            zh=f"“去了”后面接“食”的比例：{asked[0]}/{asked[1]} = {asked[0] / asked[1]:.3f}。",
        ),
        hint=say(
            lang,
            en="Divide the count of the three characters by that of the first two.",
            zh="用三个字的次数除以前两个字的次数。",
        ),
    )
    parts.graded(lang, verdict)
    return (verdict,)


@app.cell(hide_code=True)
def _(lang):
    parts.bottom(lang, "language_models")
    return


if __name__ == "__main__":
    app.run()
