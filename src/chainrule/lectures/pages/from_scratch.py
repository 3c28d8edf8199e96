# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""From scratch: one-hot input, priming, clipping, the gradient through time, and the trap."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: from scratch")

with app.setup:
    import math

    import marimo as mo
    import numpy as np

    from chainrule.data.codec import Codec, letters_only
    from chainrule.data.example_texts import english
    from chainrule.lectures import parts
    from chainrule.lectures.parts import say
    from chainrule.models.recurrent.network import pick_rows
    from chainrule.recipes.lecture_networks import (
        at_rate,
        by_heart,
        expected_after,
        flows,
        one_hot_difference,
        trained,
        written,
    )
    from chainrule.report import clipping_figure, flow_figure, step_figure, trap_figure
    from chainrule.tasks import generation
    from chainrule.tasks.evaluation import LN2
    from chainrule.training import clip

    RATE, STEPS, PAST = 8.0, 60, 50
    CELLS = ("rnn", "gru", "lstm")
    MEMORIZED, HELD_OUT = 3000, 4000


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
            parts.top(lang, "from_scratch"),
            mo.md(
                say(
                    lang,
                    en=r"""
                    **Goal.** A character network from nothing but products and tanh: what goes in, how it is made to
                    speak, what keeps its training from blowing up, why it forgets, and the figure that the textbook
                    prints and should not.

                    $$\mathbf g\leftarrow\min\Big(1,\frac{\theta}{\lVert\mathbf g\rVert}\Big)\mathbf g,\qquad
                    |f(\mathbf x-\eta\mathbf g)-f(\mathbf x)|\le L\,\eta\,\lVert\mathbf g\rVert\le L\,\eta\,\theta$$
                    """,
                    zh=r"""
                    **目标。**只用乘积和 tanh 搭出一个字符网络：输入是什么，怎样让它说话，怎样防止训练爆炸，它为什么会忘，
                    以及课本印出来、却不该印的那个数。

                    $$\mathbf g\leftarrow\min\Big(1,\frac{\theta}{\lVert\mathbf g\rVert}\Big)\mathbf g,\qquad
                    |f(\mathbf x-\eta\mathbf g)-f(\mathbf x)|\le L\,\eta\,\lVert\mathbf g\rVert\le L\,\eta\,\theta$$
                    """,
                )
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    text = english(60_000, clean=True)
    codec = Codec.fit(text)
    ids = codec.encode(text)
    network = trained(ids[:30_000], codec.vocab_size, hidden=64, epochs=4)
    return codec, ids, network


@app.cell(hide_code=True)
def _(codec, ids, lang):
    apart = one_hot_difference(codec.vocab_size, 8, ids[:50], np.random.default_rng(0))
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    ## One-hot

                    An index goes in as a vector with a single 1 at its place. That vector times $W_x$ is a row of
                    $W_x$, so the product need not be computed: for 50 tokens the two differ by {apart:g}.
                    """,
                    zh=f"""
                    ## 独热编码

                    索引以一个只在自己位置上为 1 的向量输入。这个向量乘 $W_x$ 就是 $W_x$ 的一行，所以乘积不必真算：
                    50 个词元上，两种算法相差 {apart:g}。
                    """,
                )
            ),
            parts.code(lang, one_hot_difference, pick_rows),
        ]
    )
    return (apart,)


@app.cell(hide_code=True)
def _():
    prompt = mo.ui.text(value="the val", max_length=40)
    temperature = mo.ui.slider(0, 2, step=0.1, value=0.6, show_value=True)
    return prompt, temperature


@app.cell(hide_code=True)
def _(lang, prompt, temperature):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en="""
                    ## Priming

                    Before it speaks the network reads the prompt and throws its predictions away: what is kept is
                    the state. Every character read makes the next prediction surer. It then reads what it says
                    itself. This one has 64 units and has just read 30,000 characters four times.
                    """,
                    zh="""
                    ## 预热

                    开口之前，网络先读提示，丢掉这时的预测，只留下状态。每读一个字符，下一个预测就更有把握；
                    然后它读自己说的话。这个网络有 64 个单元，刚把 30,000 个字符读了四遍。
                    """,
                )
            ),
            parts.knob(say(lang, en="Prompt", zh="提示"), prompt),
            parts.knob(say(lang, en="Temperature", zh="温度"), temperature),
        ]
    )
    return


@app.cell(hide_code=True)
def _(codec, lang, network, prompt, temperature):
    read = letters_only(prompt.value)
    primed = expected_after(network, codec, read, 4)
    spoken = written(network, codec, read, 160, temperature.value)
    mo.vstack(
        [
            parts.table(
                lang,
                ["read so far", *(f"{_n}." for _n in range(1, 5))],
                [
                    [parts.shown(_before), *(parts.Token(f"{parts.shown(_t)} {_p:.0%}") for _t, _p in _next)]
                    for _before, _next in primed[-8:]
                ],
            ),
            mo.md(f"> {spoken}"),
            parts.code(lang, generation.generate, generation.sampling_log_probs),
        ]
    )
    return primed, spoken


@app.cell(hide_code=True)
def _():
    theta = mo.ui.slider(steps=[0.05, 0.1, 0.25, 0.5, 1.0], value=0.25, show_value=True)
    return (theta,)


@app.cell(hide_code=True)
def _(codec, ids, theta):
    clipped = at_rate(ids, codec.vocab_size, theta.value, STEPS, rate=RATE)
    unclipped = at_rate(ids, codec.vocab_size, math.inf, STEPS, rate=RATE)
    return clipped, unclipped


@app.cell(hide_code=True)
def _(clipped, lang, theta, unclipped):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    ## Clipping

                    Plain gradient descent at a rate of {RATE:g}, which is too high. Not clipped, one long step leads
                    to where the gradient is larger still: it reaches a norm of
                    {np.nanmax(unclipped.norms):,.0f}. Clipped at θ no step is longer than ηθ.
                    """,
                    zh=f"""
                    ## 梯度裁剪

                    朴素的梯度下降，学习率 {RATE:g}，太高了。不裁剪时，一大步走到梯度更大的地方：
                    梯度范数达到 {np.nanmax(unclipped.norms):,.0f}。裁剪到 θ 以后，任何一步都不会长过 ηθ。
                    """,
                )
            ),
            parts.knob("θ", theta),
            parts.picture(
                lang,
                clipping_figure(
                    {"clipped": clipped.nats[None] / LN2, "not clipped": unclipped.nats[None] / LN2},
                    {"clipped": clipped.norms[None], "not clipped": unclipped.norms[None]},
                    math.log2(28),
                ),
                ["step", "clipped", "not clipped"],
                [[_s + 1, float(clipped.norms[_s]), float(unclipped.norms[_s])] for _s in range(0, STEPS, 5)],
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _(clipped, lang, theta):
    steepest = float(np.nanmax(clipped.norms))
    allowed = steepest * clipped.lengths
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    **The Lipschitz bound on a step.** If the loss changes by at most L for each unit of distance, a
                    step of length ηθ changes it by at most Lηθ. Here L is taken from the run itself, the largest
                    gradient that it met ({steepest:.2f}): a bound that was measured, not proved. The largest change
                    was {np.nanmax(clipped.changes):.2f} nats, the bound {RATE * theta.value * steepest:.2f}.
                    """,
                    zh=f"""
                    **一步的利普希茨界。**如果损失每走一个单位最多变化 L，那么长 ηθ 的一步最多让它变化 Lηθ。
                    这里的 L 取自训练过程本身，即遇到过的最大梯度({steepest:.2f})：是量出来的界，不是证明。
                    最大的变化是 {np.nanmax(clipped.changes):.2f} 纳特，界是 {RATE * theta.value * steepest:.2f}。
                    """,
                )
            ),
            parts.picture(
                lang,
                step_figure(
                    clipped.lengths.tolist(), RATE * theta.value, clipped.changes.tolist(), allowed.tolist()
                ),
                ["step", "length of the step", "change of the loss (nats)", "L eta theta"],
                [
                    [_s + 1, float(clipped.lengths[_s]), float(clipped.changes[_s]), float(allowed[_s])]
                    for _s in range(0, STEPS, 5)
                ],
            ),
            parts.code(lang, clip, at_rate),
        ]
    )
    return allowed, steepest


@app.cell(hide_code=True)
def _(codec, ids):
    flowing = flows(ids, codec.vocab_size, CELLS, PAST, seeds=2)
    return (flowing,)


@app.cell(hide_code=True)
def _(flowing, lang):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=r"""
                    ## The gradient through time

                    How the loss of the last of 50 tokens depends on the state k steps before, with fresh weights. Each
                    step back multiplies by a Jacobian, $\partial H_t/\partial H_{t-1}=
                    \mathrm{diag}(1-H_t^2)W_h^\top$: the product shrinks, and what was long ago cannot be learned. The
                    gates of GRU and LSTM let more of it pass.
                    """,
                    zh=r"""
                    ## 穿过时间的梯度

                    50 个词元中最后一个的损失，怎样依赖 k 步之前的状态(初始权重)。每往回一步就乘一个雅可比矩阵
                    $\partial H_t/\partial H_{t-1}=\mathrm{diag}(1-H_t^2)W_h^\top$：乘积越来越小，很久以前的东西就学不到。
                    GRU 和 LSTM 的门让更多的梯度通过。
                    """,
                )
            ),
            parts.picture(
                lang,
                flow_figure({"with fresh weights": flowing}),
                ["k (steps back from the loss)", *CELLS],
                [
                    [_k, *(parts.Token(f"{np.median(flowing[_c][:, _k]):.2e}") for _c in CELLS)]
                    for _k in (0, 1, 2, 5, 10, 20, 30, 49)
                ],
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    epochs = mo.ui.slider(20, 200, step=20, value=80, show_value=True)
    return (epochs,)


@app.cell(hide_code=True)
def _(codec, epochs, ids):
    trap = by_heart(
        ids[:MEMORIZED],
        ids[MEMORIZED : MEMORIZED + HELD_OUT],
        codec.vocab_size,
        epochs=epochs.value,
        every=max(4, epochs.value // 20),
    )
    return (trap,)


@app.cell(hide_code=True)
def _(epochs, lang, trap):
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"""
                    ## The trap

                    An RNN with 128 units reads {MEMORIZED:,} characters again and again, and after
                    {trap.epochs[-1]} epochs its perplexity on them is **{trap.train[-1]:.2f}**: nearly perfect, and
                    that is the number the textbook prints. On the next {HELD_OUT:,} characters it is
                    **{trap.held_out[-1]:.1f}**. A 4-gram counted on the same {MEMORIZED:,} characters has
                    {trap.counted:.1f}; guessing has {trap.uniform:.0f}. The network has learned its text by heart,
                    and the longer it trains, the worse it predicts anything else.
                    """,
                    zh=f"""
                    ## 陷阱

                    一个 128 个单元的 RNN 反复读 {MEMORIZED:,} 个字符，{trap.epochs[-1]} 轮之后，
                    它在这些字符上的困惑度是 **{trap.train[-1]:.2f}**：近乎完美，课本印的就是这个数。
                    在接下来的 {HELD_OUT:,} 个字符上，它是 **{trap.held_out[-1]:.1f}**。
                    在同样的 {MEMORIZED:,} 个字符上数出来的 4 元语法是 {trap.counted:.1f}，随机猜是 {trap.uniform:.0f}。
                    网络把课文背了下来，训练得越久，预测别的东西就越差。
                    """,
                )
            ),
            parts.knob(say(lang, en="Epochs", zh="训练轮数"), epochs),
            parts.picture(
                lang,
                trap_figure(
                    trap.epochs,
                    {"training": trap.train, "held out": trap.held_out},
                    {"counted 4-gram": trap.counted, "guessing": trap.uniform},
                ),
                ["epochs", "training", "held out"],
                [list(_row) for _row in zip(trap.epochs, trap.train, trap.held_out, strict=True)],
            ),
            parts.code(lang, by_heart),
        ]
    )
    return


@app.cell(hide_code=True)
def _(lang):
    answer = parts.choices(
        {
            "same": say(lang, en="about as good as on its training text", zh="和训练文本上差不多"),
            "between": say(
                lang, en="worse, but better than the counted 4-gram", zh="差一些，但比数出来的 4 元语法好"
            ),
            "worse": say(lang, en="worse than the counted 4-gram", zh="比数出来的 4 元语法还差"),
        }
    )
    parts.question(
        lang,
        say(
            lang,
            en="In the end, how good is this network on text that it has not seen?",
            zh="训练结束时，这个网络在没见过的文本上有多好？",
        ),
        answer,
    )
    return (answer,)


@app.cell(hide_code=True)
def _(answer):
    given = answer.value
    return (given,)


@app.cell(hide_code=True)
def _(given, lang, trap):
    _said = say(
        lang,
        en=f"Training {trap.train[-1]:.2f}, held out {trap.held_out[-1]:.1f}, counted 4-gram {trap.counted:.1f}. "
        "Only the held-out figure says what the model is worth.",
        zh=f"训练 {trap.train[-1]:.2f}，留出 {trap.held_out[-1]:.1f}，数出来的 4 元语法 {trap.counted:.1f}。"
        "只有留出集上的数才说明模型值多少。",
    )
    verdict = parts.check_choice(
        given,
        "worse" if trap.held_out[-1] > trap.counted else "between",
        dict.fromkeys(("same", "between", "worse"), _said),
    )
    parts.graded(lang, verdict)
    return (verdict,)


@app.cell(hide_code=True)
def _(lang):
    parts.bottom(lang, "from_scratch")
    return


if __name__ == "__main__":
    app.run()
