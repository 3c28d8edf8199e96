# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""Text preprocessing: from a text to indices, in four steps, on any text."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="chainrule: text preprocessing")

with app.setup:
    import marimo as mo

    from chainrule.data.codec import Codec, letters_only
    from chainrule.data.tokenizers import Words
    from chainrule.data.vocabulary import Vocabulary
    from chainrule.lectures import parts
    from chainrule.lectures.parts import say
    from chainrule.recipes.lecture_text import unknown_shares
    from chainrule.report import vocabulary_figure

    LEAST = (1, 2, 3, 5, 8)
    SENTENCE = "the time machine by the time traveller"


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
            parts.top(lang, "text_preprocessing"),
            mo.md(
                say(
                    lang,
                    en=r"""
                    **Goal.** Models know numbers, not strings. Four steps lead from one to the other: load a text,
                    split it into tokens, count them into a vocabulary, write each token as its index.

                    $$\text{text}\to(w_1,\dots,w_T),\qquad V:\ w\mapsto\{0,\dots,|V|-1\},\qquad x_t=V(w_t)$$

                    The vocabulary is counted on the training part alone, the most frequent token first; what it
                    lacks becomes index 0, the unknown symbol `<unk>`.
                    """,
                    zh=r"""
                    **目标。**模型只认识数字，不认识字符串。从文本到数字有四步：读入文本，切成词元，数出词表，
                    把每个词元写成它的索引。

                    $$\text{文本}\to(w_1,\dots,w_T),\qquad V:\ w\mapsto\{0,\dots,|V|-1\},\qquad x_t=V(w_t)$$

                    词表只在训练集上统计，最常见的词元排在最前面；词表里没有的，都变成索引 0，即未知符号 `<unk>`。
                    """,
                )
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    chosen, own = parts.choose_text(), parts.own_text()
    cut = mo.ui.dropdown(["characters", "words", "chinese-words", "bytes", "bpe"], value="words")
    return chosen, cut, own


@app.cell(hide_code=True)
def _(chosen, cut, lang, own):
    mo.vstack(
        [
            mo.md(say(lang, en="## 1. Load", zh="## 1. 读入")),
            parts.knob(say(lang, en="Text", zh="文本"), chosen),
            own,
            parts.knob(say(lang, en="Split into", zh="切分方式"), cut),
        ]
    )
    return


@app.cell(hide_code=True)
def _(chosen, cut, lang, own):
    text = parts.attempt(lang, lambda: parts.text_of(lang, chosen.value, own.value, 60_000))
    train_text, held_text = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
    codec = parts.attempt(lang, lambda: Codec.fit(train_text, cut.value, bpe_size=500))
    tokens = codec.split(text[:400])
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"{len(text):,} characters; the first nine tenths train, the rest is held out.",
                    zh=f"共 {len(text):,} 个字符；前十分之九用来训练，其余留出。",
                )
            ),
            mo.md(say(lang, en="## 2. Split into tokens", zh="## 2. 切成词元")),
            mo.md(" ".join(f"`{parts.shown(codec.tokenizer.join([token]))}`" for token in tokens[:40])),
            parts.code(lang, Words),
        ]
    )
    return codec, held_text, text, tokens, train_text


@app.cell(hide_code=True)
def _(codec, lang, tokens):
    _vocabulary = codec.vocabulary
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en=f"## 3. The vocabulary\n\n|V| = {len(_vocabulary):,}. The most frequent come first.",
                    zh=f"## 3. 词表\n\n|V| = {len(_vocabulary):,}。最常见的排在最前。",
                )
            ),
            parts.table(
                lang,
                ["id", "token", "count"],
                [
                    [_id, parts.shown(_token), _count]
                    for _id, (_token, _count) in enumerate(
                        zip(_vocabulary.tokens[:12], _vocabulary.counts[:12] or [0] * 12, strict=False)
                    )
                ],
            ),
            mo.md(
                say(
                    lang,
                    en="## 4. Indices\n\nThe same stretch of text, as a model sees it:",
                    zh="## 4. 索引\n\n同一段文本，模型看到的是：",
                )
            ),
            mo.md("`" + " ".join(map(str, codec.vocabulary.encode(tokens[:40]).tolist())) + "`"),
            parts.code(lang, Vocabulary.of, Vocabulary.encode, letters_only),
        ]
    )
    return


@app.cell(hide_code=True)
def _(cut, held_text, lang, train_text):
    sizes, unknown = parts.attempt(lang, lambda: unknown_shares(train_text, held_text, cut.value, LEAST))
    mo.vstack(
        [
            mo.md(
                say(
                    lang,
                    en="""
                    ## What rare tokens cost

                    A vocabulary that leaves out what was seen less than `min_freq` times is smaller, and knows less
                    of the text: of the held-out text above all, which has words that training never had.
                    """,
                    zh="""
                    ## 罕见词元的代价

                    去掉出现次数少于 `min_freq` 的词元，词表会小得多，但认识的文本也少了；留出集尤其如此，
                    因为那里有训练时从没见过的词。
                    """,
                )
            ),
            parts.picture(
                lang,
                vocabulary_figure(LEAST, sizes, unknown),
                ["least count", "size of the vocabulary", *unknown],
                [
                    [_least, _size, *_shares]
                    for _least, _size, *_shares in zip(LEAST, sizes, *unknown.values(), strict=True)
                ],
            ),
        ]
    )
    return sizes, unknown


@app.cell(hide_code=True)
def _(lang):
    answer = parts.blank(lang)
    parts.question(
        lang,
        say(
            lang,
            en=f"How many entries has the vocabulary of *{SENTENCE}*, split into words, with `<unk>`?",
            zh=f"把 *{SENTENCE}* 切成单词，加上 `<unk>`，词表里有几个条目？",
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
    _vocabulary = Codec.fit(SENTENCE, "words").vocabulary
    verdict = parts.typed(
        lang,
        given,
        len(_vocabulary),
        tolerance=0,
        why=say(
            lang,
            en=f"The entries are {', '.join(f'`{_t}`' for _t in _vocabulary.tokens)}.",
            zh=f"条目是 {'、'.join(f'`{_t}`' for _t in _vocabulary.tokens)}。",
        ),
        hint=say(
            lang,
            en="A word that comes twice is one entry, and the unknown symbol is one as well.",
            zh="出现两次的词只算一个条目，未知符号也算一个。",
        ),
    )
    parts.graded(lang, verdict)
    return (verdict,)


@app.cell(hide_code=True)
def _(lang):
    parts.bottom(lang, "text_preprocessing")
    return


if __name__ == "__main__":
    app.run()
