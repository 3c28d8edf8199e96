# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The table of contents: the pages of the lecture, in order."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: the lecture")

with app.setup:
    import marimo as mo

    from chainrule.lectures import PAGES, parts
    from chainrule.lectures.parts import say


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
    mo.md(
        say(
            lang,
            en=r"""
            # Sequence models: the lecture

            $$p(x_1,\dots,x_T)=\prod_{t=1}^{T}p(x_t\mid x_1,\dots,x_{t-1})$$

            Every page has a goal, a formula, the code of the package that computes it, a picture of what it just
            computed on this machine, and an exercise that checks the answer. Nothing leaves this machine.
            """,
            zh=r"""
            # 序列模型：一门课

            $$p(x_1,\dots,x_T)=\prod_{t=1}^{T}p(x_t\mid x_1,\dots,x_{t-1})$$

            每一页都有目标、公式、包里真正用来计算的代码、刚刚在这台机器上算出来的图，以及一道会检查答案的练习。
            没有任何东西离开这台机器。
            """,
        )
    )
    return


@app.cell(hide_code=True)
def _(lang):
    lines = (f"{n}. **{parts.link(lang, page)}**<br>{page.about[lang]}" for n, page in enumerate(PAGES, 1))
    mo.md("\n".join(lines))
    return


if __name__ == "__main__":
    app.run()
