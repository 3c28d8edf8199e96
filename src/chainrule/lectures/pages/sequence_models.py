# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""Sequence models: a noisy sine, how far ahead it can be told, and what is left of it in any order."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: sequence models")

with app.setup:
    import marimo as mo
    import numpy as np

    from chainrule.core import SequenceModel
    from chainrule.lectures import parts
    from chainrule.lectures.parts import say
    from chainrule.recipes import lecture_series as series
    from chainrule.report import k_step_figure
    from chainrule.report.texts import order_figure

    MODELS = ("MLP 4-10-1", "last value", "training mean", "linear AR(4)", "linear AR(64)")


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
            parts.top(lang, "sequence_models"),
            mo.md(
                say(
                    lang,
                    en=r"""
                    **Goal.** To say what comes next from what came before, and to see how quickly that gets hard:
                    one step ahead is easy, 64 steps ahead is not, and a network can lose to repeating the last
                    value.

                    $$p(x_1,\dots,x_T)=\prod_{t=1}^{T}p(x_t\mid x_1,\dots,x_{t-1})$$

                    The past gets longer with every step, so a model keeps a **state** that sums it up. What the
                    state is, is the whole difference between models: nothing, the last $\tau$ values (a Markov
                    window), or a learned vector $h_t=g(h_{t-1},x_t)$.
                    """,
                    zh=r"""
                    **目标。**根据以前的值预测下一个值，并看清楚困难来得有多快：预测一步很容易，预测 64 步就不行了，
                    神经网络甚至会输给"重复上一个值"。

                    $$p(x_1,\dots,x_T)=\prod_{t=1}^{T}p(x_t\mid x_1,\dots,x_{t-1})$$

                    每走一步，过去就更长，所以模型用一个**状态**来概括过去。状态是什么，就是各种模型的全部区别：
                    什么都没有；最近 $\tau$ 个值(马尔可夫窗口)；或者一个学出来的向量 $h_t=g(h_{t-1},x_t)$。
                    """,
                )
            ),
            parts.code(lang, SequenceModel),
        ]
    )
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en=r"""
            ## The experiment

            $x_t=\sin(0.01t)+\varepsilon_t$ with $\varepsilon_t\sim N(0,0.2^2)$, $t=1..1000$. Everything is
            fitted to the first 600 values; a network with four inputs and ten hidden units predicts the next
            value from the last four. To predict $k$ steps ahead it reads its own predictions. Choose another
            seed: the noise and the network's first weights change.
            """,
            zh=r"""
            ## 实验

            $x_t=\sin(0.01t)+\varepsilon_t$，$\varepsilon_t\sim N(0,0.2^2)$，$t=1..1000$。所有模型只用前 600 个值
            来拟合；网络有四个输入、十个隐藏单元，用最近四个值预测下一个值。要预测 $k$ 步，它就读自己的预测。
            换一个种子：噪声和网络的初始权重都会变。
            """,
        )
    )
    return


@app.cell(hide_code=True)
def _():
    seed = mo.ui.slider(0, 9, value=0, show_value=True)
    return (seed,)


@app.cell(hide_code=True)
def _(lang, seed):
    parts.knob(say(lang, en="Seed", zh="随机种子"), seed)
    return


@app.cell(hide_code=True)
def _(seed):
    results = series.lecture(seed.value, names=MODELS)
    values = series.noisy_sine(np.random.default_rng(seed.value))
    return results, values


@app.cell(hide_code=True)
def _(lang, results, values):
    errors = {name: {k: [error] for k, error in results[name].at.items()} for name in MODELS}
    paths = {name: results[name].path for name in ("MLP 4-10-1", "last value", "linear AR(4)")}
    parts.picture(
        lang,
        k_step_figure(values, series.TRAINING, paths, errors, series.NOISE**2),
        ["model", *(f"k = {k}" for k in series.STEPS)],
        [[name, *(result.at[k] for k in series.STEPS)] for name, result in results.items()],
    )
    return


@app.cell(hide_code=True)
def _(lang, results):
    network, last = (results[name].at for name in ("MLP 4-10-1", "last value"))
    mo.md(
        say(
            lang,
            en=f"""
            One step ahead the network has squared error {network[1]:.3f} (the noise alone is 0.04), 64 steps
            ahead {network[64]:.3f}; repeating the last value has {last[64]:.3f} there. Every prediction that is
            fed back brings its error along, and after 600 steps the sine enters values that the network never saw.
            """,
            zh=f"""
            预测一步时，网络的平方误差是 {network[1]:.3f}(噪声本身就有 0.04)；预测 64 步时是 {network[64]:.3f}，
            而重复上一个值只有 {last[64]:.3f}。每个送回去的预测都带着自己的误差；而且 600 步以后，
            正弦走进了网络从没见过的取值。
            """,
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    parts.code(lang, series.noisy_sine, series.evaluate)
    return


@app.cell(hide_code=True)
def _(lang):
    mo.md(
        say(
            lang,
            en="""
            ## Shuffle, and the meaning goes

            The same values in another order have the same mean and variance, but nothing before a value says
            anything of it any more. What a sequence model knows is the order.
            """,
            zh="""
            ## 一打乱，意义就没了

            同样的值换个顺序，均值和方差都不变，但前面的值再也说明不了后面的值。序列模型知道的就是顺序。
            """,
        )
    )
    return


@app.cell(hide_code=True)
def _(seed):
    one_step = series.shuffled(seed.value)
    return (one_step,)


@app.cell(hide_code=True)
def _(lang, one_step, seed, values):
    mixed = np.random.default_rng(seed.value).permutation(values)
    parts.picture(
        lang,
        order_figure({"in order": values, "shuffled": mixed}, series.TRAINING),
        ["squared error", "linear AR(4)"],
        [[name, error] for name, error in one_step.items()],
    )
    return


@app.cell(hide_code=True)
def _(lang, one_step):
    mo.md(
        say(
            lang,
            en=f"""
            One step ahead, the linear model has squared error {one_step["in order"]:.3f} in order and
            {one_step["shuffled"]:.3f} shuffled, where the variance of all values is
            {one_step["variance"]:.3f}: it can do no better than their mean.
            """,
            zh=f"""
            预测一步，线性模型按顺序的平方误差是 {one_step["in order"]:.3f}，打乱后是 {one_step["shuffled"]:.3f}；
            全部值的方差是 {one_step["variance"]:.3f}，也就是说，它不比"预测均值"更好。
            """,
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    answer = parts.choices(
        {
            "mlp": say(lang, en="the network 4-10-1", zh="多层感知机 4-10-1"),
            "last": say(lang, en="repeating the last value", zh="重复上一个值"),
            "same": say(lang, en="they are equally good", zh="一样好"),
        }
    )
    parts.question(
        lang,
        say(
            lang,
            en="64 steps ahead, which of the two has the smaller squared error? Look at the picture first.",
            zh="预测 64 步时，两者中哪个的平方误差更小？先看图。",
        ),
        answer,
    )
    return (answer,)


@app.cell(hide_code=True)
def _(answer):
    given = answer.value
    return (given,)


@app.cell(hide_code=True)
def _(given, lang, results):
    _network, _last = results["MLP 4-10-1"].at[64], results["last value"].at[64]
    _said = say(
        lang,
        en=f"The network has {_network:.3f}, repeating the last value {_last:.3f}. One step ahead the network wins: "
        "who looks at one step only would never have noticed.",
        zh=f"网络是 {_network:.3f}，重复上一个值是 {_last:.3f}。预测一步时网络更好：只看一步的人永远不会发现。",
    )
    verdict = parts.check_choice(
        given, "last" if _last < _network else "mlp", dict.fromkeys(("mlp", "last", "same"), _said)
    )
    parts.graded(lang, verdict)
    return (verdict,)


@app.cell(hide_code=True)
def _(lang):
    parts.bottom(lang, "sequence_models")
    return


if __name__ == "__main__":
    app.run()
