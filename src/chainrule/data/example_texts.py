"""Texts that are always here: the beginning of the Python reference, and Chinese sentences for the lecture.

The Chinese sentences begin alike and end differently, so that what follows a word can be counted by hand.
"""

from chainrule.data.codec import letters_only
from chainrule.data.corpora import load_corpus

SENTENCES = ("他下课后去了食堂", "活在当下")  # the lecture's own
CHINESE = """他下课后去了食堂。她下课后去了图书馆。他下课后去了操场。我下课后回了宿舍。
他们下课后去了食堂。她放学后去了食堂。他下班后去了超市。我们下课后去了实验室。
老师下课后去了办公室。他吃饭后去了图书馆。她吃饭后回了宿舍。他下课后没有去食堂。
活在当下，不活在过去。有人活在过去，有人活在将来，我们活在当下。
人活在世上，书活在人心里。他活在梦里，她活在当下。活在当下的人不怕明天。
过去的事情留在过去，明天的事情留给明天，今天的事情今天做完。
读书要慢，做事要稳，说话要想。读书的人喜欢安静，做事的人喜欢认真。
今天的雨下了一天，明天的雨也许还下。昨天下雨，今天下雨，明天大概还是下雨。
昨天出太阳，今天出太阳，明天大概还是出太阳。猜明天的天气，先看今天的天气。
一个词后面是什么词，要看前面的词。前面的词看得越多，后面的词猜得越准。
可是看得太多，从前就没有见过；没有见过的，只好看少一点再猜。
数一数，除一除，就是概率。概率连着乘，就是一句话的概率。
从前往后乘，从后往前乘，得到的是同一个数。
他上课前去了食堂，上课后去了食堂，下课后又去了食堂。食堂的人说，你是活在食堂吧。
"""
MOST = 200_000  # characters of a reader's text: what a page is done with within seconds


def english(characters: int = MOST, *, clean: bool = False) -> str:
    """The Python reference up to so many characters; clean: letters and spaces, as the book does it."""
    text = load_corpus("pydocs").text
    return letters_only(text)[:characters] if clean else text[:characters]
