"""Random numbers of steps: Philox4x32-10 against its known answers, masks and normals against their definition."""

import math

import numpy as np
import pytest

from chainrule.maths.masks import NOISE, mask, normals, philox

KNOWN = [  # Random123's kat_vectors, philox 4x32-10: counter, key, answer
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
SEED = 0x0123456789ABCDEF


def _words(text):
    return tuple(int(word, 16) for word in text.split())


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_its_known_answers(counter, key, answer):
    assert tuple(map(int, philox(_words(counter), _words(key)))) == _words(answer)


def test_counters_broadcast():
    together = philox((np.arange(5), np.arange(3)[:, None], 7, 2), (1, 2))
    for row in range(3):
        for block in range(5):
            alone = philox((block, row, 7, 2), (1, 2))
            assert [int(word[row, block]) for word in together] == list(map(int, alone))


def _word(row, unit, step, stream):
    """The word of a unit, from its definition: group unit // 64, block 16·group + unit % 16, word (unit % 64) // 16."""
    block, w = 16 * (unit // 64) + unit % 16, unit % 64 // 16
    words = philox((block, row, step, stream), (SEED & 0xFFFFFFFF, SEED >> 32))
    return list(map(int, words)), w


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("p", "units"), [(0.5, 1), (0.2, 63), (0.7, 64), (1 / 3, 130)])
def test_a_unit_is_dropped_when_its_word_is_below_p(dtype, p, units):
    found = mask(p, (3, units), SEED, step=2**32 + 9, stream=2, dtype=dtype)  # a step's low 32 bits count
    assert found.dtype == dtype
    assert found.shape == (3, units)
    kept = np.dtype(dtype).type(1 / (1 - p))
    for row in range(3):
        for unit in range(units):
            words, w = _word(row, unit, 9, 2)
            assert found[row, unit] == (0 if words[w] < round(p * 2**32) else kept)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normals_are_box_and_muller_of_pairs_of_words(dtype):
    found = normals((2, 70), SEED, step=4, dtype=dtype)
    assert found.dtype == dtype
    for row in range(2):
        for unit in range(70):
            words, w = _word(row, unit, 4, NOISE)
            r, angle = words[w // 2 * 2], 2 * math.pi * words[w // 2 * 2 + 1] / 2**32
            value = math.sqrt(-2 * math.log((r + 1) / 2**32)) * (math.sin(angle) if w % 2 else math.cos(angle))
            # a unit in the last place of each of ln, cos and sin, which libraries round differently
            assert found[row, unit] == pytest.approx(value, rel=4 * float(np.finfo(dtype).eps), abs=1e-15)


def test_how_many_are_dropped_and_how_normals_are_spread():
    n = 400 * 500
    dropped = float(np.mean(mask(0.3, (400, 500), 5, 0, 1, "float64") == 0))
    assert dropped == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / n))  # five standard deviations of a mean of n
    drawn = normals((400, 500), 5, 0, "float64")
    assert float(drawn.mean()) == pytest.approx(0, abs=5 / math.sqrt(n))  # the same
    assert float((drawn**2).mean()) == pytest.approx(1, abs=5 * math.sqrt(2 / n))  # the variance of N² is 2
    assert float((drawn**4).mean()) == pytest.approx(3, abs=5 * math.sqrt(96 / n))  # that of N⁴ is 105 − 9


def test_other_steps_layers_rows_and_seeds_draw_others():
    drawn = [mask(0.5, (2, 64), seed, step, stream, "float32") for seed, step, stream in
             [(1, 0, 1), (2, 0, 1), (1 + 2**32, 0, 1), (1, 1, 1), (1, 0, 2)]]  # fmt: skip
    rows = [row.tobytes() for each in drawn for row in each]
    assert len(set(rows)) == len(rows)


def test_a_row_draws_the_same_however_many_rows_and_units_there_are():
    assert np.array_equal(mask(0.5, (9, 100), 1, 0, 1, "float32")[:2, :30], mask(0.5, (2, 30), 1, 0, 1, "float32"))


def test_p_next_to_one_drops_all_but_one_in_four_billion():
    p = 1 - 2.0**-40  # whose threshold would be 2³², which no word of 32 bits has
    assert not mask(p, (4, 64), 1, 0, 0, "float64").any()


def test_p_of_zero_keeps_all():
    assert (mask(0.0, (4, 64), 1, 0, 0, "float32") == 1).all()
