"""Networks with options as settings and arrays: older files still open, damaged ones are refused."""

import json
from typing import Any

import numpy as np
import pytest

from chainrule.core import FileFormatError
from chainrule.models.archive import pack, unpack
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel

V, H = 7, 4
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tied": {"embedding": H, "tied": True},
    "normalised": {"layer_norm": True, "layers": 2},
    "clusters": {"cutoffs": (2, 4)},
    "minlstm": {"cell": "minlstm", "layer_norm": True, "embedding": 3, "cutoffs": [5]},
}


def model(option: str) -> RecurrentModel:
    return RecurrentLearner(V, hidden=H, rng=np.random.default_rng(0), **OPTIONS[option]).model()


def test_a_network_without_options_is_written_as_it_always_was() -> None:
    family, settings, arrays = pack(model("plain"))
    assert family == "recurrent"
    assert settings == {"cell": "lstm", "layers": 1, "hidden": H, "embedding": 0}
    assert set(arrays) == {
        "layer0.input",
        "layer0.bias",
        "layer0.recurrent",
        "output.weight",
        "output.bias",
    }


@pytest.mark.parametrize("option", OPTIONS)
def test_settings_come_back_from_json(option: str) -> None:
    packed = model(option)
    family, settings, arrays = pack(packed)
    back = unpack(family, json.loads(json.dumps(settings)), arrays)
    assert isinstance(back, RecurrentModel)
    assert back.arch == packed.arch
    assert back.vocab_size == packed.vocab_size == V
    tokens = np.arange(V)[None]
    np.testing.assert_array_equal(
        back.score(back.start(1), tokens)[0], packed.score(packed.start(1), tokens)[0]
    )


@pytest.mark.parametrize("option", OPTIONS)
def test_arrays_that_do_not_fit_are_refused(option: str) -> None:
    family, settings, arrays = pack(model(option))
    for name, array in arrays.items():
        with pytest.raises(FileFormatError, match="model"):
            unpack(family, settings, {k: a for k, a in arrays.items() if k != name})
        for wrong in (array[:-1], array[None], array.ravel()[:0], np.array(1.0, np.float32)):
            with pytest.raises(FileFormatError, match="model"):
                unpack(family, settings, arrays | {name: wrong})
    with pytest.raises(FileFormatError, match="model"):
        unpack(family, settings, arrays | {"tail7.bias": np.zeros(2, np.float32)})


DAMAGES: list[tuple[str, dict[str, Any]]] = [
    ("plain", {"tied": True}),
    ("plain", {"layer_norm": True}),
    ("plain", {"cutoffs": [2]}),
    ("plain", {"layers": 10**15}),
    ("plain", {"hidden": 10**15}),
    ("plain", {"cell": "mingru"}),
    ("tied", {"tied": False}),
    ("tied", {"tied": "yes"}),
    ("tied", {"tied": None}),
    ("tied", {"embedding": 0}),
    ("tied", {"cutoffs": [3]}),
    ("normalised", {"layer_norm": False}),
    ("normalised", {"layer_norm": 1}),
    ("clusters", {"cutoffs": []}),
    ("clusters", {"cutoffs": None}),
    ("clusters", {"cutoffs": 2}),
    ("clusters", {"cutoffs": [2]}),
    ("clusters", {"cutoffs": [4, 2]}),
    ("clusters", {"cutoffs": [2, 2]}),
    ("clusters", {"cutoffs": [2, 5]}),
    ("clusters", {"cutoffs": [-2, 4]}),
    ("clusters", {"cutoffs": [2, "many"]}),
    ("clusters", {"cutoffs": [2, float("inf")]}),
    ("clusters", {"cutoffs": [2, 4, 10**15]}),
    ("clusters", {"cutoffs": list(range(1, 2000))}),
]


@pytest.mark.parametrize(("option", "damage"), DAMAGES, ids=[f"{o} {str(d)[:40]}" for o, d in DAMAGES])
def test_a_damaged_setting_is_refused(option: str, damage: dict[str, Any]) -> None:
    family, settings, arrays = pack(model(option))
    with pytest.raises(FileFormatError, match="model"):
        unpack(family, settings | damage, arrays)
