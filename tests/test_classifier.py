"""What a user holds: fit, predict, explain, generate, save and load; what is of no use is refused."""

import numpy as np
import pytest

from chainrule import TextClassifier
from chainrule.core import FileFormatError, InputError
from chainrule.data.folds import stratified_folds
from chainrule.files import read_arrays, write_arrays
from chainrule.recipes.class_parts import Read, Spec, Weighed, fit_part, read_training
from chainrule.recipes.classifying import KINDS, alone, fit_classifier
from chainrule.recipes.film_reviews import film_reviews
from chainrule.tasks.classification.over_time import monthly_means

REVIEWS = film_reviews(np.random.default_rng(0), weeks=60)
TEXTS, LABELS = list(REVIEWS.texts), list(REVIEWS.labels)
TOLD = ["The plot is wonderful!", "the pace\nis dull, and the cast bored me.", "ÄÖ 房间", "the the"]


@pytest.fixture(scope="module")
def classifier():
    return TextClassifier.fit(TEXTS[:360], LABELS[:360])


@pytest.fixture(scope="module")
def three():
    """Three classes, one of which has a label with a space."""
    odd = [f"item {k % 7} was sent to the depot in {k % 5} days" for k in range(40)]
    return TextClassifier.fit(TEXTS[:150] + odd, LABELS[:150] + ["not a film"] * 40, model="default")


# What it says


def test_it_tells_made_up_reviews_apart(classifier):
    made, unseen = classifier.evaluate(TEXTS[360:], LABELS[360:])
    assert made.accuracy > made.majority + 0.05
    assert made.calibration_error < 0.15
    assert unseen == {}
    assert classifier.score(TEXTS[360:], LABELS[360:]) == made.accuracy


def test_shapes_are_those_of_scikit_learn(three):
    probs = three.predict_proba(TOLD)
    assert probs.shape == (4, 3)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    assert three.classes_.tolist() == ["negative", "not a film", "positive"]
    assert three.predict(TOLD).tolist() == three.classes_[probs.argmax(axis=1)].tolist()
    assert three.predict(["it was sent to the depot in 3 days"]).tolist() == ["not a film"]
    assert three.predict([]).shape == (0,)


def test_a_text_is_predicted_alike_alone_and_among_others(classifier):
    together = classifier.log_probs(TOLD)
    for row, text in zip(together, TOLD, strict=True):
        np.testing.assert_allclose(classifier.log_probs([text])[0], row, atol=1e-9)


def test_the_same_seed_is_the_same_classifier(classifier):
    again = TextClassifier.fit(TEXTS[:360], LABELS[:360])
    np.testing.assert_array_equal(again.log_probs(TOLD), classifier.log_probs(TOLD))


@pytest.mark.parametrize("which", ["classifier", "three"])
def test_words_and_the_rest_sum_to_the_log_odds(which, request):
    classifier = request.getfixturevalue(which)
    for text in TOLD:
        why = classifier.explain(text)
        log_probs = dict(zip(classifier.classes, classifier.log_probs([text])[0], strict=True))
        assert why.log_odds == pytest.approx(log_probs[why.predicted] - log_probs[why.against])
        assert all(text[w.begin : w.begin + len(w.word)] == w.word for w in why.words)
    words = {w.word: w.nats for w in classifier.explain("the plot is wonderful").words}
    assert max(words, key=words.__getitem__) == "wonderful"


def test_evidence_is_all_but_the_bias(three):
    """No approximation: what the characters say is what the part says, up to one number for each class."""
    for part in three.fitted.parts:
        read = Read.of(part.source, TOLD)
        left = part.opinions(read) - np.stack([part.evidence(text).sum(axis=0) for text in TOLD])
        np.testing.assert_allclose(left - left[:1], 0, atol=1e-8)


def test_a_class_is_told_by_what_is_generated(classifier):
    for label in classifier.classes:
        told = [classifier.generate(label, seed=seed) for seed in range(20)]
        told = [text for text in told if text.strip()]
        assert np.mean(classifier.predict(told) == label) > 0.6
    assert classifier.generate("positive", "the music", seed=1).startswith("the music")
    assert classifier.generate("positive", seed=3) == classifier.generate("positive", seed=3)


# Parts and the pool


def test_inner_opinions_are_of_parts_that_did_not_see_the_text():
    labels = np.array([LABELS[i] == "positive" for i in range(80)]).astype(np.int64)
    specs = KINDS["bayes"]
    fitted = fit_classifier(TEXTS[:80], labels, 2, specs=specs, seed=4)
    read = read_training(TEXTS[:80], "words", 2, True)
    split = stratified_folds(labels, 4, np.random.default_rng(4))[1]
    shown = np.zeros(80, bool)
    shown[split.train] = True
    part = fit_part(specs[0], read.some(shown), labels[split.train], 2)
    np.testing.assert_allclose(fitted.inner[0, split.test], part.opinions(read.some(~shown)))
    assert len(alone(fitted, labels)) == 1


def test_some_rows_of_a_reading_are_those_texts_read_by_themselves():
    read = read_training(TEXTS[:30], "words", 2, True)
    read.presence((1, 2))
    rows = np.arange(30) % 3 == 0
    some = read.some(rows)
    own = Read.of(read.source, [TEXTS[i] for i in np.flatnonzero(rows)])
    np.testing.assert_array_equal(some.ids, own.ids)
    for mine, theirs in zip(some.presence((1, 2)), own.presence((1, 2)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_naive_bayes_is_that_of_the_textbook():
    texts, labels = ["a a b", "a c", "b", "b c"], np.array([1, 1, 0, 0])
    read = read_training(texts, "words", 1, True)
    part = fit_part(Spec("", "bayes", "words", (1,)), read, labels, 2)
    assert isinstance(part, Weighed)
    # presence: class 1 has a 2, b 1, c 1, end 2; class 0 b 2, c 1, end 2; one more each of these, of the
    # unknown symbol and of the beginning
    shares = {"a": np.log(3 / 12) - np.log(1 / 11), "end": np.log(3 / 12) - np.log(3 / 11)}
    said = part.opinions(Read.of(read.source, ["a"]))[0]
    assert said[1] - said[0] == pytest.approx(shares["a"] + shares["end"])


# Files


@pytest.mark.parametrize("which", ["classifier", "three"])
def test_a_file_is_the_same_classifier(which, request, tmp_path):
    classifier = request.getfixturevalue(which)
    classifier.save(tmp_path / "c")
    again = TextClassifier.load(tmp_path / "c")
    np.testing.assert_allclose(again.log_probs(TOLD), classifier.log_probs(TOLD), atol=1e-5)
    assert again.classes == classifier.classes
    assert again.card == classifier.card
    assert again.generate("positive", seed=1) == classifier.generate("positive", seed=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, a: h.update(kind="other"), "expected a classifier"),
        (lambda h, a: h.update(classes=["one"]), "at least two classes"),
        (lambda h, a: h.update(classes=["a", "b", "c"]), "expected"),
        (lambda h, a: h.pop("parts"), "damaged"),
        (lambda h, a: h["parts"][0].update(source=9), "damaged"),
        (lambda h, a: h["sources"][0].update(end=0), "texts that end with"),
        (lambda h, a: a.update({"pool.weights": a["pool.weights"][1:]}), "weights of 5 parts"),
        (lambda h, a: a.update({"pool.offsets": a["pool.offsets"] * np.nan}), "finite"),
        (lambda h, a: a.update({"part4.weights": a["part4.weights"][:, 1:]}), "n-grams"),
        (lambda h, a: a.update({"part2.scale": np.full_like(a["part2.scale"], np.inf)}), "finite"),
        (lambda h, a: a.pop("source0.vocabulary"), "damaged"),
    ],
    ids=range(11),
)
def test_a_file_of_a_stranger_is_checked(classifier, tmp_path, change, message):
    classifier.save(tmp_path / "c")
    arrays, header = read_arrays(tmp_path / "c")
    arrays = dict(arrays)
    change(header, arrays)
    write_arrays(tmp_path / "d", arrays, header)
    with pytest.raises(FileFormatError, match=message):
        TextClassifier.load(tmp_path / "d")


def test_no_file_and_a_foreign_one(tmp_path):
    (tmp_path / "x").write_bytes(b"PK\x03\x04rest of a zip")
    with pytest.raises(FileFormatError, match="zip archive"):
        TextClassifier.load(tmp_path / "x")
    with pytest.raises(InputError, match="cannot be read"):
        TextClassifier.load(tmp_path / "none")


# What cannot be used


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", "b"], ["x", "x"], "at least two classes, got 'x'"),
        ([], [], "at least two classes, got none"),
        (["a", "b", "c"], ["x", "x", "a label"], "two texts of a class, got one of 'a label'"),
        (["a", " ", "c", "d"], ["x", "x", "y", "y"], "an empty text at 1"),
        (["a", "b"], ["x"], "one a text, 2, got 1"),
        ("a text", ["x"], "got one string"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(texts, labels, message):
    with pytest.raises(InputError, match=message):
        TextClassifier.fit(texts, labels)


def test_two_texts_of_a_class_are_enough():
    made = TextClassifier.fit(["good", "fine film", "bad", "sad film"], ["x", "x", "y", "y"])
    assert made.predict_proba(["good"]).shape == (1, 2)


def test_labels_it_does_not_know_are_counted(classifier):
    made, unseen = classifier.evaluate(TEXTS[:3], [LABELS[0], "mixed", "mixed"])
    assert made.count == 1
    assert unseen == {"mixed": 2}
    with pytest.raises(InputError, match="expected some of 'negative', 'positive', got 'mixed'"):
        classifier.evaluate(TEXTS[:1], ["mixed"])


def test_what_it_cannot_say_is_refused(classifier):
    with pytest.raises(InputError, match="one of negative, positive, got 'mixed'"):
        classifier.generate("mixed")
    with pytest.raises(InputError, match="model: expected one of default"):
        TextClassifier.fit(TEXTS[:9], LABELS[:9], model="oracle")
    with pytest.raises(InputError, match="cell: expected a network, recurrent or pretrained, got bayes"):
        TextClassifier.fit(TEXTS[:9], LABELS[:9], model="bayes", cell="lstm")
    with pytest.raises(InputError, match="pooling: expected one of mean, last, max, got 'each'"):
        TextClassifier.fit(TEXTS[:9], LABELS[:9], model="pretrained", pooling="each")
    for model in ("default", "recurrent"):
        with pytest.raises(
            InputError, match="some of cell, pooling, bidirectional, pretraining, got 'poling'"
        ):
            TextClassifier.fit(TEXTS[:9], LABELS[:9], model=model, poling="max")
    bayes = TextClassifier.fit(TEXTS[:40], LABELS[:40], model="bayes")
    with pytest.raises(InputError, match="with a model a class"):
        bayes.generate("positive")


# Over time


def test_the_scandal_is_seen_in_predicted_sentiment():
    """A classifier of the first part follows what was put into the rest: means move as the true shares do."""
    whole = film_reviews(np.random.default_rng(1), per_week=6)
    first = len(whole.texts) // 3
    made = TextClassifier.fit(whole.texts[:first], whole.labels[:first], model="words")
    probs = made.predict_proba(whole.texts[first:])[:, 1]
    months = monthly_means(whole.days[first:].astype("M8[us]"), probs)
    true = monthly_means(
        whole.days[first:].astype("M8[us]"), 1.0 * (np.array(whole.labels[first:]) == "positive")
    )
    assert np.corrcoef(months.mean, true.mean)[0, 1] > 0.6
    fall = np.argmax(months.months >= np.datetime64("2023-01"))  # the scandal: week 208
    assert months.mean[:fall].mean() - months.mean[fall:].mean() > 0.03


@pytest.mark.slow
@pytest.mark.parametrize("network", [{}, {"cell": "lstm", "pooling": "mean", "bidirectional": True}])
def test_a_recurrent_network_may_stand_in_its_place(tmp_path, network):
    whole = film_reviews(np.random.default_rng(0))
    made = TextClassifier.fit(whole.texts[:720], whole.labels[:720], model="recurrent", **network)
    assert made.score(whole.texts[720:], whole.labels[720:]) > 0.7
    made.save(tmp_path / "c")
    again = TextClassifier.load(tmp_path / "c")
    np.testing.assert_allclose(again.log_probs(TOLD), made.log_probs(TOLD), atol=1e-9)
    words = {w.word: w.nats for w in made.explain("the plot is wonderful").words}
    assert max(words, key=words.__getitem__) == "wonderful"
