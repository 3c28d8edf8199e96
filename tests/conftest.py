"""What every test shares: shapes checked at run time, hypothesis's settings, no user's folders touched."""

import itertools
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import jaxtyping
import pytest
from hypothesis import settings

# before chainrule is imported anywhere: every annotated function then checks what it is handed;
# an int is a float to type checkers, and to beartype where it is told so
jaxtyping.install_import_hook(
    "chainrule", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)

EXAMPLES = int(
    os.environ.get("EXAMPLES", "12")
)  # of a property, the same ones every time; make test-all draws more
settings.register_profile("here", deadline=None, max_examples=EXAMPLES)
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
settings.load_profile("here" if "EXAMPLES" in os.environ else "ci")

ROOT = Path(__file__).resolve().parents[1]
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No corpus from the user's CHAINRULE_DATA, no download into the user's cache."""
    cache = tmp_path_factory.getbasetemp() / f"cache{next(_numbers)}"  # not made: most tests need none
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CHAINRULE_DATA", raising=False)
        patch.setattr("platformdirs.user_cache_dir", lambda *names, **options: str(cache))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The texts that lie beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is not there")
    return folder


@pytest.fixture(scope="session")
def jieba() -> ModuleType:
    """The optional package, imported once; its sources warn when they are compiled, which is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("jieba", reason="jieba is not installed")
