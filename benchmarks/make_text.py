"""Makes a large English word text for timings, out of the documentation that Debian packages carry.

Prose is gathered below /usr/share/doc, /usr/share/info and /usr/share/man, or, with --packages, below the
usr/share of packages that `apt-get download` fetches and `dpkg-deb` unpacks (nothing is installed): plain
text, HTML, info and man pages, less what a rough test of each sentence takes for code or another language.
One sentence stands on a line, words and punctuation between single spaces ("a , b ."). Every sentence is
written once, in random order, or only some if they are more than enough; if they are too few, more are drawn
with replacement, since from a text of whole copies, with no n-gram that occurs once, no Kneser-Ney discounts
can be estimated. The same files and the same seed make the same text.

    python benchmarks/make_text.py big.txt [--words 21700000] [--packages python3.11-doc linux-doc-6.1 ...]
"""

import argparse
import gzip
import re
import subprocess
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

FOLDERS = [Path("/usr/share") / name for name in ("doc", "info", "man")]
PLAIN = re.compile(r"(\.(txt|text|rst|md|pod|dict|info(-\d+)?)|^[A-Za-z-]+)$")  # README has no suffix
SKIPPED = re.compile(r"changelog|copyright|/_sources/", re.IGNORECASE)
BLOCKS = {"p", "div", "li", "dt", "dd", "td", "th", "br", "title", "h1", "h2", "h3", "h4", "h5", "h6"}
HIDDEN = {"script", "style", "pre"}
FONTS = re.compile(r"^\.(?:B|I|BR|BI|IR|IB|RB|RI|SM|SB) ", re.MULTILINE)
ESCAPES = re.compile(r"\\f(?:\[\w*\]|\(..|.)|\\s[-+]?\d|\\[&|^/,%]")
TOKEN = re.compile(r"'(?:s|re|ve|ll|d|m)\b|[^\W_]+(?:[-.'][^\W_]+)*(?<!'s)|[^\w\s]")
STOP = re.compile(r"""(?<=[.!?])["')]*\s+(?=["'(]?[A-Z])""")
SENTENCE = re.compile(r"""["'(]?[A-Z][^{}<>=|\\^~#@*+_`$\[\]]*[.!?]["')]?""")
ENGLISH = frozenset(re.findall(r"\w+", "the of and to is that for it be with as are this or not by from an"))


class Prose(HTMLParser):
    """Collects the text of a page, a blank line between blocks, without scripts and listings."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.hidden += tag in HIDDEN
        if tag in BLOCKS or tag in HIDDEN:
            self.pieces.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in HIDDEN and self.hidden > 0
        if tag in BLOCKS:
            self.pieces.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.pieces.append(data)


def from_html(page: str) -> str:
    (parser := Prose()).feed(page)
    return "".join(parser.pieces)


def from_roff(page: str) -> str:
    """A man page without its requests: font macros keep their words, any other ends a paragraph."""
    page = FONTS.sub("", page)
    page = re.sub(r"^['.].*$", "\n", page, flags=re.MULTILINE)
    page = ESCAPES.sub("", page).replace("\\-", "-").replace("\\(aq", "'").replace("\\ ", " ")
    return re.sub(r"\\(\(..|\[\w*\])", " ", page)


def read(path: Path) -> str:
    """A file's prose; nothing if it is of no known kind or no UTF-8."""
    zipped = path.suffix in (".gz", ".dz")
    name = path.stem if zipped else path.name
    html, man = name.endswith((".html", ".htm")), "/share/man/" in str(path)
    known = html or man or PLAIN.search(name)
    if not known or SKIPPED.search(str(path)) or path.is_symlink() or not path.is_file():
        return ""
    try:
        text = (gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()).decode()
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError):
        return ""
    return from_html(text) if html else from_roff(text) if man else text


def sentences(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", re.sub("[‘’]", "'", text)):
        for sentence in STOP.split(" ".join(paragraph.split())):
            if not SENTENCE.fullmatch(sentence):
                continue
            tokens = TOKEN.findall(sentence)
            words = sum(token[0].isalpha() for token in tokens)
            english = sum(token in ENGLISH for token in tokens)
            if 6 <= len(tokens) <= 100 and words >= 0.7 * len(tokens) and english >= 0.1 * len(tokens):
                yield " ".join(tokens)


def unpack(packages: list[str], folder: Path) -> Path:
    """Downloads Debian packages and unpacks them side by side; where their files lie."""
    subprocess.run(["apt-get", "download", "-qq", *packages], cwd=folder, check=True)
    for archive in sorted(folder.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", archive.name, "unpacked"], cwd=folder, check=True)
    return folder / "unpacked" / "usr" / "share"


def gather(folders: list[Path]) -> list[str]:
    paths = sorted(path for folder in folders for path in folder.rglob("*"))
    found: dict[str, None] = {}
    for path in track(paths, "reading", console=Console(stderr=True)):
        found.update(dict.fromkeys(sentences(read(path))))
    return list(found)


def choose(lengths: np.ndarray, words: int, rng: np.random.Generator) -> np.ndarray:
    """Which sentences to write, in order, until there are enough words."""
    missing = max(0, words - int(lengths.sum()))
    spare = rng.integers(len(lengths), size=missing // int(lengths.min()) + 1)
    chosen = np.concatenate([rng.permutation(len(lengths)), spare])
    enough = int(np.searchsorted(np.cumsum(lengths[chosen]), words)) + 1
    return rng.permutation(chosen[:enough])


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--words", type=int, default=21_700_000)
    parser.add_argument("--packages", nargs="+", default=[], help="read these instead of what is installed")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = gather([unpack(arguments.packages, Path(folder))] if arguments.packages else FOLDERS)
    lengths = np.array([line.count(" ") + 1 for line in lines])
    chosen = choose(lengths, arguments.words, np.random.default_rng(arguments.seed))
    with arguments.output.open("w", encoding="utf-8") as file:
        file.writelines(f"{lines[at]}\n" for at in chosen)
    distinct = len({word for at in np.unique(chosen) for word in lines[at].split(" ")})
    print(f"found {lengths.sum()} words in {len(lines)} sentences, no two alike")
    print(f"wrote {lengths[chosen].sum()} words, {distinct} of them distinct, in {len(chosen)} sentences")
    print(f"a sentence is repeated {max(1, len(chosen) / len(lines)):.2f} times on average")


if __name__ == "__main__":
    main()
