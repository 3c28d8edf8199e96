"""The lecture as pages, one file for each of its parts: plain Python that marimo runs, in two languages.

Needs the extra `lab`. Nothing here is loaded by `import chainrule`.
"""

from pathlib import Path
from typing import NamedTuple

from chainrule.core import InputError

LANGUAGES = {"en": "English", "zh": "中文"}
FOLDER = Path(__file__).parent / "pages"


class Page(NamedTuple):
    """A page of the lecture: its name, which is its file's and its address's; by language its title, and what
    one sees on it."""

    name: str
    title: dict[str, str]
    about: dict[str, str]

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.py"


PAGES = (
    Page(
        "sequence_models",
        {"en": "Sequence models", "zh": "序列模型"},
        {
            "en": "One step ahead is easy, 64 are not: a network can lose to repeating the last value.",
            "zh": "预测一步很容易，预测 64 步就不行了：神经网络会输给“重复上一个值”。",
        },
    ),
    Page(
        "text_preprocessing",
        {"en": "Text preprocessing", "zh": "文本预处理"},
        {
            "en": "From a text to numbers in four steps: read, split, count a vocabulary, write indices.",
            "zh": "从文本到数字有四步：读入、切分、数出词表、写成索引。",
        },
    ),
    Page(
        "language_models",
        {"en": "Language models and data sets", "zh": "语言模型与数据集"},
        {
            "en": "A probability for every text by counting, what to do about the unseen, Zipf's law.",
            "zh": "靠数数给每段文本一个概率；从没见过的怎么办；齐普夫定律。",
        },
    ),
    Page(
        "beyond_ngrams",
        {"en": "What n-grams cannot reach", "zh": "n 元语法够不着的地方"},
        {
            "en": "The two walls that counting runs into: too many n-grams, and too short a past.",
            "zh": "数数会撞上的两堵墙：n 元组太多，过去太短。",
        },
    ),
    Page(
        "recurrent_networks",
        {"en": "Recurrent networks", "zh": "循环神经网络"},
        {
            "en": "The whole past in one vector, and the same weights at every step.",
            "zh": "用一个向量概括全部过去，每一步的权重都相同。",
        },
    ),
    Page(
        "perplexity",
        {"en": "Perplexity", "zh": "困惑度"},
        {
            "en": "One number for how well a model predicts, and the file that has its size.",
            "zh": "一个数说明模型预测得有多好，还有一个文件正好有那么大。",
        },
    ),
    Page(
        "from_scratch",
        {"en": "From scratch", "zh": "从零开始实现"},
        {
            "en": "One-hot, priming, clipping, forgetting, and the figure that no textbook should print.",
            "zh": "独热、预热、裁剪；循环网络为什么会忘；课本不该印出来的那个数。",
        },
    ),
    Page(
        "concise",
        {"en": "The concise version", "zh": "简洁实现"},
        {
            "en": "The same network in PyTorch: the same weights, the same files, the same numbers.",
            "zh": "同一个网络的 PyTorch 版：权重相同，文件相同，数字相同。",
        },
    ),
    Page(
        "review",
        {"en": "Review questions", "zh": "复习题"},
        {
            "en": "The questions at the end of the lecture, each answered by code that has just run.",
            "zh": "课程结尾的问题，每个都用刚刚运行的代码回答。",
        },
    ),
)
CONTENTS = Page(
    "contents",
    {"en": "The lecture", "zh": "目录"},
    {"en": "All pages, in order.", "zh": "全部页面，按顺序。"},
)


def find_page(name: str) -> Page:
    """The page of that name or number; raises InputError where there is none."""
    for number, page in enumerate(PAGES, 1):
        if name in (page.name, page.name.replace("_", "-"), str(number)):
            return page
    names = ", ".join(page.name for page in PAGES)
    raise InputError(f"page: expected 1..{len(PAGES)} or one of {names}; got {name!r}")
