"""Training in a process of its own: `python -m chainrule.lab.trainer FOLDER`, told by lines of JSON.

In, on standard input: one line with what to train, then `stop` to end and keep what was learned; where the
input ends, whoever asked is gone, and so is this process. Out: lines with a key `baseline`, `progress`,
`scoring`, `done` or `error`. The folder holds text.txt, and in the end model.chainrule.
"""

import json
import math
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from chainrule.core import ChainruleError
from chainrule.data.dataset import Dataset
from chainrule.data.reading import read_text
from chainrule.language_model import LanguageModel
from chainrule.recipes import Recipe, evaluate_part, fit
from chainrule.training import Progress

TEXT, MODEL = "text.txt", "model.chainrule"
EVERY = 0.25  # seconds between two lines of progress
BASELINE_TOKENS = 1_000_000, 100_000  # of training and validation part, for figures beside the curves


def tell(**line: Any) -> None:
    """One line of JSON; what is no number is null."""
    shown = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
    sys.stdout.write(json.dumps(shown, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class Reporter:
    """Passes progress on, a mean over each quarter of a second; ends the run once it is asked to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop, self.began, self.last = stop, time.monotonic(), -math.inf
        self.bits: list[float] = []

    def __call__(self, progress: Progress) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt  # which training takes as: end, and keep what was learned
        self.bits.append(progress.train_bits)
        now = time.monotonic()
        if now - self.last < EVERY:
            return
        tell(
            progress=round(progress.done, 4),
            seconds=round(now - self.began, 2),
            train=sum(self.bits) / len(self.bits),
            valid=progress.valid_bits,
            speed=progress.tokens_per_second,
            epoch=progress.epoch,
        )
        self.bits, self.last = [], now


def baselines(data: Dataset) -> dict[str, float]:
    """Bits per character on the validation part: guessing, and a counted 5-gram."""
    train, valid = (part.head(n) for part, n in zip((data.train, data.valid), BASELINE_TOKENS, strict=True))
    if not len(valid.ids):
        return {}
    few = Dataset(data.codec, train, valid, data.test.head(0))
    found = {"uniform": Recipe("uniform"), "5-gram": Recipe("ngram", order=min(5, len(train.ids)))}
    return {
        name: evaluate_part(fit(recipe, few).model, valid, data.codec).report.bits_per_character
        for name, recipe in found.items()
    }


def train(folder: Path, asked: dict[str, Any], stop: threading.Event) -> None:
    """Train what was asked for, and leave the model in the folder."""
    text = (folder / TEXT).read_bytes().decode("utf-8", "surrogatepass")
    data = read_text(text, tokenizer=asked["tokenizer"])
    tell(baseline=baselines(data))
    name = asked["text"]
    lm = LanguageModel.fitted(
        Recipe(**asked["recipe"]),
        data,
        name=name,
        report=Reporter(stop),
        scoring=lambda done: tell(scoring=round(done, 3)),
    )
    lm.save(folder / MODEL)
    stopped = (lm.card["training"] or {}).get("stopped", "finished")
    tell(done=stopped, held_out=(lm.held_out or {}).get("bits_per_character"))


def main() -> None:
    """Read what to do, do it, say how it went."""
    if hasattr(os, "nice"):
        os.nice(5)  # the page is asked first
    stop = threading.Event()
    first = sys.stdin.readline()

    def listen() -> None:
        if sys.stdin.readline().strip() == "stop":
            stop.set()
            sys.stdin.read()
        os._exit(1)  # nobody is there any more

    threading.Thread(target=listen, daemon=True).start()
    try:
        train(Path(sys.argv[1]), json.loads(first), stop)
    except ChainruleError as error:
        tell(error=" ".join(str(error).split()))
    except KeyboardInterrupt:
        tell(error="stopped before there was a model to keep")
    except MemoryError:
        tell(error="not enough memory for this setting: smaller sizes may fit")


if __name__ == "__main__":
    main()
