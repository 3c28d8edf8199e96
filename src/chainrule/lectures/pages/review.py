# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""Review questions of the lecture, each answered by code that runs."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: review questions")

with app.setup:
    import marimo as mo
    import numpy as np

    from chainrule.data.codec import Codec
    from chainrule.data.example_texts import english
    from chainrule.lectures import parts
    from chainrule.lectures.parts import say
    from chainrule.models.uniform import Uniform
    from chainrule.recipes import lecture_series as series
    from chainrule.recipes.lecture_coding import perplexity_of
    from chainrule.recipes.lecture_networks import by_heart, flows, trained, unrolled
    from chainrule.recipes.lecture_ngrams import coverage, shares
    from chainrule.recipes.lecture_text import unknown_shares, windows_read


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
            parts.top(lang, "review"),
            mo.md(
                say(
                    lang,
                    en=r"""
                    **Goal.** The questions that the lecture ends with, each answered by code that has just run: first
                    the code, then what it gave, then what that means. Where there is a slider the answer is computed
                    again.

                    $$p(x_1,\dots,x_T)=\prod_tp(x_t\mid x_{<t}),\qquad
                    \text{perplexity}=\exp\Big(-\frac1T\sum_t\log p(x_t\mid x_{<t})\Big)$$
                    """,
                    zh=r"""
                    **目标。**课程结尾的问题，每个都用刚刚运行的代码回答：先是代码，再是结果，再是它的意思。
                    有滑块的地方，一拖动就重新计算。

                    $$p(x_1,\dots,x_T)=\prod_tp(x_t\mid x_{<t}),\qquad
                    \text{困惑度}=\exp\Big(-\frac1T\sum_t\log p(x_t\mid x_{<t})\Big)$$
                    """,
                )
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    text = english(40_000)
    train_text, held_text = text[:30_000], text[30_000:]
    letters = english(40_000, clean=True)
    codec = Codec.fit(letters)
    ids, V = codec.encode(letters), codec.vocab_size
    return V, codec, held_text, ids, text, train_text


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 1. Why does a forecast get worse with every step ahead?""",
            zh=r"""### 1. 为什么向前预测的步数越多，预测就越差？""",
        )
    )
    return


@app.cell(hide_code=True)
def _():
    seed = mo.ui.slider(0, 5, show_value=True)
    return (seed,)


@app.cell(hide_code=True)
def _(seed, lang):
    parts.knob(say(lang, en="Seed", zh="随机种子"), seed)
    return


@app.cell
def _(seed):
    errors = series.lecture(seed.value, names=("MLP 4-10-1", "last value"))
    by_step = {name: [round(error or 0, 3) for error in found.at.values()] for name, found in errors.items()}
    mo.show_code(parts.printed(by_step), position="above")
    return (by_step,)


@app.cell(hide_code=True)
def _(lang, by_step):
    mo.md(
        say(
            lang,
            en=f"""Squared errors at 1, 4, 16 and 64 steps. Each prediction that is fed back is read as if it were true, and its error grows along; at 64 steps {"repeating the last value" if by_step["last value"][-1] < by_step["MLP 4-10-1"][-1] else "the network"} is better.""",
            zh=f"""1、4、16、64 步的平方误差。送回去的预测被当成真值来读，误差随之增长；到 64 步时，{"重复上一个值" if by_step["last value"][-1] < by_step["MLP 4-10-1"][-1] else "网络"}更好。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 2. Why is the vocabulary counted on the training part alone?""",
            zh=r"""### 2. 为什么词表只能在训练集上统计？""",
        )
    )
    return


@app.cell
def _(train_text, held_text):
    _, unknown = unknown_shares(train_text, held_text, "words", [1, 2])
    unknown_words = {name: [f"{share:.1%}" for share in shares] for name, shares in unknown.items()}
    mo.show_code(parts.printed(unknown_words), position="above")
    return (unknown_words,)


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en="""Unknown words with a least count of 1 and of 2. Counted on everything, the held-out text would have no unknown words at all: the model would have seen the future, and its figures would be too good.""",
            zh="""最小词频为 1 和 2 时的未知词比例。如果在全部文本上统计，留出集就一个未知词也没有：模型偷看了未来，数字会好得不真实。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 3. What does a 4-gram model have to store, and what could there be?""",
            zh=r"""### 3. 4 元语法要存多少东西？可能有多少？""",
        )
    )
    return


@app.cell
def _(V, ids):
    covered = coverage(ids[:30_000], ids[30_000:], V, range(1, 5))
    stored = {c.order: f"{c.seen:,} seen of {c.possible:,.0f}" for c in covered}
    mo.show_code(parts.printed(stored), position="above")
    return (stored,)


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en="""For 30,000 characters. All orders up to four have to be kept, for the shorter ones are what a longer one falls back on. Only what came is stored: at order 4 a small part of |V|⁴.""",
            zh="""对 30,000 个字符。一到四阶都要存，因为高阶没见过时要退回低阶。只存出现过的：四阶时只是 |V|⁴ 的很小一部分。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 4. How much of a text do its most frequent words make up?""",
            zh=r"""### 4. 最常见的词占文本的多少？""",
        )
    )
    return


@app.cell(hide_code=True)
def _():
    top = mo.ui.slider(1, 100, value=10, show_value=True)
    return (top,)


@app.cell(hide_code=True)
def _(top, lang):
    parts.knob(say(lang, en="How many words", zh="词的个数"), top)
    return


@app.cell
def _(text, top):
    words = Codec.fit(text, "words").vocabulary
    share_of_top = round(shares(dict(zip(words.tokens, words.counts, strict=True)), top.value), 3)
    mo.show_code(parts.printed(share_of_top), position="above")
    return (share_of_top,)


@app.cell(hide_code=True)
def _(lang, share_of_top):
    mo.md(
        say(
            lang,
            en=f"""**{share_of_top:.0%}** of all words. By Zipf's law a few words make up most of the text and say little: what search engines call stop words. For a language model they are the easy part, not to be thrown away.""",
            zh=f"""占全部词的 **{share_of_top:.0%}**。按齐普夫定律，少数几个词占了文本的大部分，却说明不了什么，就是搜索引擎所说的停用词。对语言模型来说，它们是容易的部分，不能扔掉。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 5. Why start to cut at a random place?""",
            zh=r"""### 5. 为什么要从随机的位置开始切？""",
        )
    )
    return


@app.cell
def _():
    first_tokens = sorted({windows_read("sequential", 100, 2, 5, seed)[0][0][0] for seed in range(20)})
    mo.show_code(parts.printed(first_tokens), position="above")
    return (first_tokens,)


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en="""The first token read under twenty seeds. From a fixed place every epoch would cut at the same points, and the same tokens would always be the first of a window, with the least context.""",
            zh="""二十个种子下最先读到的词元。如果总从同一处开始，每一轮都在同样的地方切断，同样的词元总是窗口里的第一个，上文最少。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 6. How can a network with a fixed number of weights use all that came before?""",
            zh=r"""### 6. 参数个数固定的网络，怎么能用到以前的全部内容？""",
        )
    )
    return


@app.cell
def _(V, codec, ids):
    network = trained(ids[:20_000], V, cell="gru", hidden=32, epochs=2)
    one, other = (unrolled(network, codec.encode(start + "he value of")) for start in "tw")
    apart = np.abs(one.hidden - other.hidden).max(axis=1).round(4).tolist()
    mo.show_code(parts.printed(apart), position="above")
    return (apart,)


@app.cell(hide_code=True)
def _(lang, apart):
    mo.md(
        say(
            lang,
            en=f"""Two texts that differ in their first character alone: how far the states are apart after each step. The first character is still in the state {len(apart) - 1} steps later, if ever more faintly; a 5-gram has forgotten it after four.""",
            zh=f"""两段文本只有第一个字符不同：每一步之后状态相差多少。{len(apart) - 1} 步之后，第一个字符仍在状态里，只是越来越淡；5 元语法过四步就忘光了。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 7. What is the dimension of the output?""",
            zh=r"""### 7. 输出的维度是多少？""",
        )
    )
    return


@app.cell
def _(V):
    output = Uniform(V)
    shape = output.predict(output.start(batch=3)).shape
    mo.show_code(parts.printed(shape), position="above")
    return (shape,)


@app.cell(hide_code=True)
def _(lang, shape):
    mo.md(
        say(
            lang,
            en=f"""A row for each sequence of the batch, and in it a log-probability for each of the |V| = {shape[1]} tokens; whatever the model is.""",
            zh=f"""批次里每个序列一行，行里是 |V| = {shape[1]} 个词元各自的对数概率；不管是什么模型。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 8. What happens to the gradient in a long sequence?""",
            zh=r"""### 8. 序列很长时，梯度会怎样？""",
        )
    )
    return


@app.cell
def _(V, ids):
    norms = flows(ids, V, ("rnn", "lstm"), 40, seeds=1)
    left = {cell: f"{of[0, 30] / of[0, 0]:.1e}" for cell, of in norms.items()}
    mo.show_code(parts.printed(left), position="above")
    return (left,)


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en="""What is left of it 30 steps back, as a share. Products of Jacobians shrink, or grow without bound: the first is met by gates, the second by clipping, and both by truncating.""",
            zh="""往回 30 步以后剩下的比例。雅可比矩阵的连乘要么缩小，要么无限增长：前者靠门，后者靠裁剪，截断则对两者都有用。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 9. What is perplexity at best, at worst, and by guessing?""",
            zh=r"""### 9. 困惑度最好、最差、随机猜时各是多少？""",
        )
    )
    return


@app.cell
def _(V):
    perplexities = {
        "sure and right": perplexity_of([1.0, 1.0]),
        "guessing": round(perplexity_of([1 / V] * 10), 6),
        "once impossible": perplexity_of([0.9] * 99 + [0.0]),
    }
    mo.show_code(parts.printed(perplexities), position="above")
    return (perplexities,)


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en="""1, |V|, and infinity: one token of a hundred that was thought impossible is enough. That is why counts are smoothed.""",
            zh="""1、|V| 和无穷大：一百个词元里只要有一个被认为不可能，就是无穷大。所以计数要平滑。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""### 10. Is a training perplexity near 1 good news?""",
            zh=r"""### 10. 训练集上困惑度接近 1，是好消息吗？""",
        )
    )
    return


@app.cell(hide_code=True)
def _():
    rounds = mo.ui.slider(20, 120, step=20, value=60, show_value=True)
    return (rounds,)


@app.cell(hide_code=True)
def _(rounds, lang):
    parts.knob(say(lang, en="Epochs", zh="训练轮数"), rounds)
    return


@app.cell
def _(V, ids, rounds):
    learned = by_heart(ids[:2000], ids[2000:5000], V, hidden=96, epochs=rounds.value, every=rounds.value // 4)
    by_epochs = {
        epochs: f"training {on_train:.2f}, held out {on_held_out:.1f}"
        for epochs, on_train, on_held_out in zip(*learned[:3], strict=True)
    }
    mo.show_code(parts.printed(by_epochs), position="above")
    return (by_epochs,)


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en="""No: it says that 2,000 characters can be learned by heart. Look at the held-out figure as the epochs go by.""",
            zh="""不是：它只说明 2,000 个字符可以背下来。看看留出集上的数字怎样随着轮数变化。""",
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    answer = parts.blank(lang)
    parts.question(
        lang,
        say(
            lang,
            en="A word model has perplexity 64 per word; words have six characters, the space included. At which "
            "perplexity per character is a character model as good?",
            zh="一个词模型每词的困惑度是 64；每个词平均六个字符(含空格)。字符模型每字符的困惑度是多少时，两者一样好？",
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
        perplexity_of([1 / 64, *[1.0] * 5]),
        why=say(
            lang,
            en="64 is 6 bits for a word, and over six characters that is 1 bit each: 2. Perplexities per token do "
            "not compare across tokenisers; bits per character do.",
            zh="64 是每词 6 比特，分给六个字符，每个 1 比特，也就是 2。不同切分方式的每词元困惑度不能相比，"
            "每字符比特数才能比。",
        ),
        hint=say(
            lang,
            en="Turn it into bits for a word, divide among its characters, and back into a perplexity.",
            zh="先换成每词的比特数，分给各个字符，再换回困惑度。",
        ),
    )
    parts.graded(lang, verdict)
    return (verdict,)


@app.cell(hide_code=True)
def _(lang):
    parts.bottom(lang, "review")
    return


if __name__ == "__main__":
    app.run()
