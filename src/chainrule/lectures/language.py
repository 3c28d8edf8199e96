"""Every text in two languages: prose side by side where it stands, labels of pictures in one list."""

import re
from collections.abc import Collection, Sequence

from markupsafe import escape

# What pictures and tables say. A label that is not here is a name (RNN, add-1, a token), the same in both.
CHINESE = {
    "MLP 4-10-1": "多层感知机 4-10-1",
    "last value": "重复上一个值",
    "training mean": "训练均值",
    "linear AR(4)": "线性自回归 AR(4)",
    "linear AR(64)": "线性自回归 AR(64)",
    "628 steps before": "628 步之前的值",
    "steps ahead": "向前预测的步数",
    "squared error": "平方误差",
    "noise": "噪声",
    "t (roll-outs from the dotted line)": "t(从虚线处开始滚动预测)",
    "in order": "按顺序",
    "shuffled": "打乱后",
    "variance": "方差",
    "model": "模型",
    "steps": "步",
    "least count": "最小词频",
    "size of the vocabulary": "词表大小",
    "unknown (share of tokens)": "未知词元占比",
    "training": "训练集",
    "held out": "留出集",
    "unknown, training": "未知(训练集)",
    "unknown, held out": "未知(留出集)",
    "token": "词元",
    "id": "索引",
    "count": "次数",
    "rank": "排名",
    "frequency": "频数",
    "expected by the law": "定律的预期",
    "standard error": "标准误",
    "n-gram": "n 元组",
    "n-grams": "n 元组",
    "tokens": "词元数",
    "different": "不同的",
    "batch": "批次",
    "row": "行",
    "first token": "第一个词元",
    "last token": "最后一个词元",
    "place in the text (tokens)": "在文本中的位置(词元)",
    "random": "随机分区",
    "sequential": "顺序分区",
    "given": "条件",
    "together": "共同出现",
    "alone": "条件出现",
    "probability": "概率",
    "smoothing": "平滑方法",
    "maximum likelihood": "最大似然",
    "perplexity, training": "困惑度(训练集)",
    "perplexity, held out": "困惑度(留出集)",
    "probability of what was never seen": "分给从未见过者的概率",
    "how often it happened": "实际发生的比例",
    "possible": "可能有",
    "seen in training": "训练中见过",
    "different n-grams": "不同的 n 元组数",
    "held-out n-grams that were seen (share)": "留出集中见过的 n 元组占比",
    "guessing": "随机猜",
    "words between subject and verb": "主语和动词之间的词数",
    "right verb (share)": "动词正确率",
    "tokens of context that may be used": "可以使用的上文长度(词元)",
    "held out (bits per token)": "留出集(比特/词元)",
    "numbers in the model": "模型里的参数个数",
    "n-gram table": "n 元组表",
    "window MLP": "窗口多层感知机",
    "array": "数组",
    "shape": "形状",
    "parameters": "参数个数",
    "unit": "单元",
    "bits": "比特",
    "bits so far": "累计比特",
    "mean": "平均",
    "perplexity": "困惑度",
    "perplexity of one token": "一个词元的困惑度",
    "weighted branching factor": "加权分支数",
    "here": "当前",
    "step": "步",
    "training loss (bits per token)": "训练损失(比特/词元)",
    "norm of the gradient, before clipping": "裁剪前的梯度范数",
    "norm of the gradient by the state": "损失对隐状态的梯度范数",
    "k (steps back from the loss)": "k(从损失往回的步数)",
    "with fresh weights": "初始权重",
    "not clipped": "不裁剪",
    "clipped": "裁剪",
    "length of the step": "步长",
    "eta theta": "η θ",
    "change of the loss (nats)": "损失的变化(纳特)",
    "L eta theta": "L η θ",
    "epochs": "训练轮数",
    "perplexity per token": "每词元困惑度",
    "counted 4-gram": "数出来的 4 元语法",
    "by PyTorch": "PyTorch",
    "from scratch": "从零实现",
    "largest difference (nats)": "最大差异(纳特)",
    "difference": "差异",
    "what": "比较对象",
    "alpha": "指数 α",
    "order": "阶",
    "read so far": "已读",
    "context": "上文",
}
# Pieces of labels that hold numbers.
PIECES = (
    (re.compile(r"^clipped at ([\d.]+)$"), r"裁剪到 \1"),
    (re.compile(r"^(\d)-grams, alpha = (.+)$"), r"\1 元组, α = \2"),
    (re.compile(r"^(\d)-grams?$"), r"\1 元组"),
    (re.compile(r"^k = (\d+)$"), r"k = \1"),
)
LABEL = re.compile(r"(<text[^>]*>)([^<]*)(</text>)")


def say(lang: str, *, en: str, zh: str) -> str:
    """The text in the language of the page."""
    return zh if lang == "zh" else en


def term(lang: str, label: str) -> str:
    """A label of a picture or a table in the language of the page."""
    if lang != "zh":
        return label
    for pattern, chinese in PIECES:
        if pattern.match(label):
            return pattern.sub(chinese, label)
    return CHINESE.get(label, label)


def translated(drawn: str, lang: str, keep: Collection[str] = ()) -> str:
    """An <svg> element with its labels in the language of the page; keep: those that are tokens of a text."""

    def label(found: re.Match[str]) -> str:
        written = _unescaped(found[2])
        return found[1] + str(escape(written if written in keep else term(lang, written))) + found[3]

    return LABEL.sub(label, drawn)


def labels(drawn: str) -> Sequence[str]:
    """What is written in an <svg> element."""
    return [_unescaped(found[2]) for found in LABEL.finditer(drawn)]


def _unescaped(text: str) -> str:
    for code, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(code, character)
    return text
