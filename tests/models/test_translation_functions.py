"""The graph functions of a translator against its whole network, run again for each token."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models import DecodingOptions, TranslationFunctions

END = 3
NETWORKS = [
    {"norm_first": True, "positions": "sinusoidal"},
    {"norm_first": False, "positions": "learned", "separate": True},
]


@pytest.fixture(scope="module")
def translator(random_translator):
    return random_translator(seed=4)


GRAPHS = {}


def run(model, kind, *inputs, count=None, **options):
    """A graph function's outputs as arrays; strings decoded. A graph is made once."""
    key = (id(model), kind, count, len(inputs), tuple(sorted(options.items())))
    if key not in GRAPHS:
        method = getattr(TranslationFunctions(model, DecodingOptions(**options)), kind)
        fixed = () if count is None else (count,)
        function = lambda text, *rest: method(text, *fixed, *rest)  # noqa: E731
        signature = [tf.TensorSpec([None], tf.string)] * len(inputs)
        graph = tf.function(function, input_signature=signature, autograph=False)
        GRAPHS[key] = graph, model  # Kept, so that no other model gets its number.
    outputs = GRAPHS[key][0](*(tf.constant(values, tf.string) for values in inputs))
    return {
        name: np.vectorize(bytes.decode, otypes=[object])(value.numpy())
        if value.dtype == tf.string
        else value.numpy()
        for name, value in outputs.items()
    }


def source_ids(model, text):
    ids = model.tokenizer.tokenize([text]).to_list()[0]
    return np.array([[*ids[: model.sequence_length - 1], END]])


def log_softmax(logits):
    logits = logits.astype("float64")
    return logits - np.log(np.exp(logits - logits.max()).sum(-1, keepdims=True)) - logits.max()


def following(model, source, hypotheses):
    """Log-probabilities of what comes next, `(K, N)`, and how much each token of the source
    has been looked at in the last block, `(K, Ts)`: the whole network, without caches."""
    functions = TranslationFunctions(model, DecodingOptions())
    encoded, mask = functions.steps.encode(tf.constant(np.repeat(source, len(hypotheses), axis=0)))
    start = model._target_tokenizer.start_id
    x = functions.steps.target_embedding(tf.constant([[start, *ids] for ids in hypotheses]))
    for block in functions.steps.decoder_blocks:
        x, weights = block(x, encoded, source_mask=mask, return_attention_scores=True)
    x = functions.steps.normalized("decoder", x)
    logits = functions.steps.target_embedding(x, reverse=True)
    logits = logits.numpy()[:, -1]
    return [log_softmax(row) for row in logits], weights.numpy().mean(axis=1).sum(axis=1)


def search(model, text, beams, exponent=1.0, coverage=0.0, bound=None, prefix=()):
    """A slow beam search without caches and early stop: (score, sum, ids), the best first."""
    source, live, finished = source_ids(model, text), [(0.0, [])], []
    bound = bound or min(2 * source.shape[1] + 10, model.sequence_length)
    for length in range(1, bound + 1):
        rows, attention = following(model, source, [ids for _, ids in live])
        grown = []
        for (total, ids), row, seen in zip(live, rows, attention, strict=True):
            bonus = coverage * np.log(np.clip(seen, 1e-9, 1)).sum()
            # Never padding, unknown or start.
            allowed = prefix[length - 1 : length] or range(3, len(row))
            grown += [(total + row[token], [*ids, token], bonus) for token in allowed]
        grown = sorted(grown, key=lambda one: -one[0])[: 2 * beams]
        for total, ids, bonus in grown[:beams]:
            if ids[-1] == END or length == bound:
                finished.append((total / length**exponent + bonus, total, ids))
        live = [(total, ids) for total, ids, _ in grown if ids[-1] != END][:beams]
        # Here a score only falls with each token unless it is divided.
        if beams == 1 and finished:
            break
    return sorted(finished, key=lambda one: -one[0])


def words(model, ids):
    return model._target_tokenizer.detokenize([ids]).numpy()[0].decode()


def test_the_slow_twin_runs_the_network(translator, sentences):
    text, hypothesis = sentences(3)[2], [7, 12, 5]
    source, target = source_ids(translator, text), np.array([[2, *hypothesis]])
    logits = translator.network([source, target]).numpy()[0, -1]
    (row,), _ = following(translator, source, [hypothesis])
    np.testing.assert_allclose(row, log_softmax(logits), atol=1e-4)


@pytest.mark.parametrize("arguments", NETWORKS, ids=["shared", "separate"])
def test_cached_greedy_search_is_uncached(arguments, random_translator, sentences):
    model, texts = random_translator(**arguments), sentences(5)
    found = run(model, "translate", texts, beam_size=1)
    for text, string, score in zip(texts, found["translation"], found["score"], strict=True):
        (_, total, ids), *_ = search(model, text, beams=1, exponent=0.0)
        assert string == words(model, ids)
        np.testing.assert_allclose(score, total, atol=1e-3)
    assert len(set(found["translation"])) > 1


@pytest.mark.parametrize("arguments", NETWORKS, ids=["shared", "separate"])
@pytest.mark.parametrize(("exponent", "coverage"), [(1.0, 0.0), (0.6, 0.4)])
def test_cached_beam_search_is_uncached(
    arguments, exponent, coverage, random_translator, sentences
):
    model, texts = random_translator(seed=2, favoured=END, **arguments), sentences(4)
    options = {"length_penalty": exponent, "coverage_penalty": coverage, "max_length": 7}
    found = run(model, "n_best", texts, count=3, beam_size=3, **options)
    lengths = set()
    for row, text in enumerate(texts):
        expected = search(model, text, 3, exponent, coverage, bound=7)[:3]
        assert found["translations"][row].tolist() == [words(model, ids) for *_, ids in expected]
        for name, place in (("scores", 0), ("log_probabilities", 1)):
            sums = [one[place] for one in expected]
            np.testing.assert_allclose(found[name][row], sums, atol=1e-3)
        lengths |= {len(ids) for *_, ids in expected}
    assert len(lengths) > 1


@pytest.mark.parametrize("options", [{"beam_size": 1}, {"beam_size": 3}])
def test_a_batch_of_one_is_the_same_sentence_among_many(options, translator, sentences):
    texts = [*sentences(6), "", "word3 unseen"]
    together = run(translator, "translate", texts, **options)
    assert len(set(together["translation"])) > 4
    for row in (0, 2, 6, 7):
        alone = run(translator, "translate", texts[row : row + 1], **options)
        assert alone["translation"][0] == together["translation"][row]
        np.testing.assert_allclose(alone["score"][0], together["score"][row], atol=1e-4)


def test_no_texts(translator):
    assert run(translator, "translate", [], beam_size=3)["translation"].shape == (0,)
    assert run(translator, "translate", [], beam_size=1)["score"].shape == (0,)
    assert run(translator, "n_best", [], count=2)["translations"].shape == (0, 2)
    # Texts of no tokens only: no step is taken.
    found = run(translator, "n_best", ["", " "], count=2)
    assert found["translations"].tolist() == [["", ""]] * 2
    assert found["scores"].tolist() == [[0.0, -1e9]] * 2


def test_score_is_the_sum_of_forced_log_probabilities(translator, sentences):
    texts, translations = sentences(4), ["word1 word2 word3", "", "word9", "word4 unseen"]
    found = run(translator, "score", texts, translations)
    for row, (text, translation) in enumerate(zip(texts, translations, strict=True)):
        ids = [*translator.tokenizer.tokenize([translation]).to_list()[0], END]
        target = np.array([[2, *ids[:-1]]])
        logits = translator.network([source_ids(translator, text), target]).numpy()[0]
        forced = [log_softmax(one)[token] for one, token in zip(logits, ids, strict=True)]
        assert found["lengths"][row] == len(ids)
        np.testing.assert_allclose(found["token_scores"][row, : len(ids)], forced, atol=1e-4)
        assert not found["token_scores"][row, len(ids) :].any()
        np.testing.assert_allclose(found["score"][row], np.sum(forced), atol=1e-4)
        spelt = [translator.tokenizer.id_to_token(token) for token in ids]
        assert found["tokens"][row].tolist() == spelt + [""] * (4 - len(ids))


def test_a_beams_log_probability_is_the_score_of_its_translation(random_translator, sentences):
    translator = random_translator(seed=4, favoured=END)
    texts, bound = sentences(8), 12
    found = run(translator, "n_best", texts, count=3, beam_size=3, max_length=bound)
    again = [text for text in texts for _ in range(3)]
    scores = run(translator, "score", again, found["translations"].reshape(-1))
    ended = scores["lengths"] <= bound  # What was cut has no end of its own.
    assert 3 < ended.sum()
    sums = found["log_probabilities"].reshape(-1)
    np.testing.assert_allclose(scores["score"][ended], sums[ended], atol=1e-3)


def test_alignments_are_attention_that_sums_to_one(translator, sentences):
    texts = [*sentences(3), "", "word5 word6"]
    translations = ["word1 word2", "word3", "word1 word2 word3 word4", "word1", ""]
    found = run(translator, "align", texts, translations)
    source_lengths = [len(text.split()) for text in texts]
    target_lengths = [len(text.split()) for text in translations]
    assert found["source_lengths"].tolist() == source_lengths
    assert found["target_lengths"].tolist() == target_lengths
    assert found["alignment"].shape == (5, 4, 14)
    for row, (source, target) in enumerate(zip(source_lengths, target_lengths, strict=True)):
        weights = found["alignment"][row]
        sums = np.zeros(4)
        sums[: target if source else 0] = 1.0
        np.testing.assert_allclose(weights.sum(axis=1), sums, atol=1e-5)
        assert not weights[:, source:].any() and not weights[target:].any()
        assert found["source_tokens"][row].tolist()[:source] == texts[row].split()
        assert found["target_tokens"][row].tolist()[:target] == translations[row].split()
        # Neither another batch nor padding changes a number.
        alone = run(translator, "align", [texts[row]], [translations[row]])["alignment"][0]
        np.testing.assert_allclose(weights[:target, :source], alone[:target, :source], atol=1e-5)


def test_an_alignment_looks_from_the_step_that_writes_a_token(translator):
    functions = TranslationFunctions(translator, DecodingOptions())
    source, target = source_ids(translator, "word1 word2 word3"), [2, 8, 9]
    encoded, mask = functions.steps.encode(tf.constant(source))
    x = functions.steps.target_embedding(tf.constant([target]))
    block = functions.steps.decoder_blocks[0]  # The last but one of two
    _, weights = block(x, encoded, source_mask=mask, return_attention_scores=True)
    weights = weights.numpy()[0].mean(axis=0)[:2, :3]  # The start writes the first token.
    translation = translator.tokenizer.detokenize([[8, 9]])
    found = run(translator, "align", ["word1 word2 word3"], translation)["alignment"][0]
    np.testing.assert_allclose(found, weights / weights.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("beams", [1, 3])
def test_prefixes(beams, translator, sentences):
    texts = sentences(5)
    prefixes = ["word2 word3", "", "word7", "unseen word4", "word1 word1 word1 word1"]
    options = {"max_length": 7, "no_repeat_ngram_size": 2 if beams == 1 else 0}
    found = run(translator, "translate", texts, prefixes, beam_size=beams, **options)
    for row, (text, prefix) in enumerate(zip(texts, prefixes, strict=True)):
        ids = translator.tokenizer.tokenize([prefix]).to_list()[0]
        # An unknown word is wished for, though it is never chosen.
        expected = search(translator, text, beams, bound=7, prefix=ids)[0]
        assert expected[2][: len(ids)] == ids
        # The twin has no rule against repetition; the wish goes before it, too.
        if beams == 3 or len(ids) == 4:
            start = words(translator, expected[2][: len(ids)])
            assert found["translation"][row].startswith(start)
        if beams == 3:
            assert found["translation"][row] == words(translator, expected[2])
            np.testing.assert_allclose(found["score"][row], expected[1], atol=1e-3)


def test_a_coverage_penalty_means_nothing_to_one_hypothesis(translator, sentences):
    texts = sentences(3)
    plain = run(translator, "translate", texts, beam_size=1)
    found = run(translator, "translate", texts, beam_size=1, coverage_penalty=0.5)
    assert found["translation"].tolist() == plain["translation"].tolist()


def test_bounds_and_rules(random_translator, sentences):
    translator, texts, beams = random_translator(seed=4, favoured=END), sentences(6), 3

    def lengths(**options):
        found = run(translator, "translate", texts, beam_size=beams, **options)
        return [text.split() for text in found["translation"]]

    sizes = [min(len(text.split()) + 1, 18) for text in texts]
    for found, size in zip(lengths(max_length_ratio=0.5, max_length_offset=2), sizes, strict=True):
        assert len(found) <= size // 2 + 2
    # Two words and the end, or three words cut at the bound.
    assert {2, 3} >= set(map(len, lengths(min_length=3, max_length=3)))
    # The end counts: a translation of at least 9 tokens has 8 words or more.
    assert all(len(found) >= min(8, 2 * size + 9) for found, size in
               zip(lengths(min_length=9), sizes, strict=True))  # fmt: skip
    for found in lengths(no_repeat_ngram_size=1, min_length=12):
        assert len(found) == len(set(found)) >= 11


def test_unknown_words_are_written_on_request_only(random_translator, sentences):
    model, texts = random_translator(seed=1, favoured=1), sentences(8)
    with_unknown = run(model, "translate", texts, beam_size=1, suppress_unknown=False)
    assert any("[UNK]" in text for text in with_unknown["translation"])
    for beams in (1, 2):
        found = run(model, "translate", texts, beam_size=beams)
        assert not any("[UNK]" in text for text in found["translation"])


def test_draws_are_decided_by_their_uniforms(translator, sentences):
    texts = sentences(3)
    uniforms = np.random.default_rng(0).random((3, 18)).astype("float32")

    def draw(rows, **options):
        method = TranslationFunctions(
            translator, DecodingOptions(beam_size=1, temperature=1.0, **options)
        ).translate
        found = method(tf.constant([texts[row] for row in rows]), uniforms=uniforms[rows])
        return [text.decode() for text in found["translation"].numpy()]

    drawn = draw([0, 1, 2])
    assert draw([2, 0]) == [drawn[2], drawn[0]]
    greedy = run(translator, "translate", texts, beam_size=1)["translation"].tolist()
    assert draw([0, 1, 2], top_k=1) == greedy != drawn


def test_options_are_those_given(translator):
    options = dataclasses.replace(translator.decoding, beam_size=2)
    assert TranslationFunctions(translator, options).options.beam_size == 2


def test_greedy_search_has_no_coverage_to_count(random_translator, sentences):
    translator, texts = random_translator(seed=2), sentences(2)
    plain = run(translator, "translate", texts, beam_size=1)
    covered = run(translator, "translate", texts, beam_size=1, coverage_penalty=0.5)
    assert covered["translation"].tolist() == plain["translation"].tolist()


def test_what_is_cut_is_flagged(translator):
    fits, cut = (" ".join(["word1"] * count) for count in (17, 18))  # 18 tokens with the end.
    assert run(translator, "translate", [fits, cut, ""])["truncated"].tolist() == [0, 1, 0]
    for kind in ("score", "align"):
        found = run(translator, kind, [fits, cut, fits], [fits, "word1", cut])
        assert found["truncated"].tolist() == [False, True, True]
