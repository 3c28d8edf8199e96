"""The lecture as pages, one file for each of its parts: plain Python that marimo runs, in two languages.

Needs the extra `lab`. Nothing here is loaded by `import chainrule`.
"""

from pathlib import Path
from typing import NamedTuple

from chainrule.core import InputError

LANGUAGES = {"en": "English", "zh": "中文"}
FOLDER = Path(__file__).parent / "pages"


class Page(NamedTuple):
    """A page of the lecture: its name, which is its file's and its address's, and its title by language."""

    name: str
    title: dict[str, str]

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.py"


PAGES = (
    Page("sequence_models", {"en": "Sequence models", "zh": "序列模型"}),
    Page("text_preprocessing", {"en": "Text preprocessing", "zh": "文本预处理"}),
    Page("language_models", {"en": "Language models and data sets", "zh": "语言模型与数据集"}),
    Page("beyond_ngrams", {"en": "What n-grams cannot reach", "zh": "n 元语法够不着的地方"}),
    Page("recurrent_networks", {"en": "Recurrent networks", "zh": "循环神经网络"}),
    Page("perplexity", {"en": "Perplexity", "zh": "困惑度"}),
    Page("from_scratch", {"en": "From scratch", "zh": "从零开始实现"}),
    Page("concise", {"en": "The concise version", "zh": "简洁实现"}),
    Page("review", {"en": "Review questions", "zh": "复习题"}),
)
CONTENTS = Page("contents", {"en": "The lecture", "zh": "目录"})


def find_page(name: str) -> Page:
    """The page of that name or number; raises InputError where there is none."""
    for number, page in enumerate(PAGES, 1):
        if name in (page.name, page.name.replace("_", "-"), str(number)):
            return page
    names = ", ".join(page.name for page in PAGES)
    raise InputError(f"page: expected 1..{len(PAGES)} or one of {names}; got {name!r}")
