"""Word maps as pictures."""

import numpy as np

from limner.engine.heat import heat, levels, word_sheet
from limner.engine.request import WordMaps


def test_levels_go_from_the_least_to_the_most() -> None:
    shares = np.array([[0.25, 0.5], [1.25, 0.75]], np.float32)
    assert levels(shares).tolist() == [[0, 64], [255, 128]]
    assert not levels(np.full((3, 3), 0.4, np.float32)).any(), "what is the same everywhere shows nothing"


def test_heat_is_bright_where_the_word_drew_and_dark_elsewhere() -> None:
    picture = np.full((64, 64, 3), 128, np.uint8)
    shares = np.zeros((8, 8), np.float32)
    shares[2, 5] = 0.2
    shown = heat(picture, shares).astype(int).sum(2)
    assert shown.shape == (64, 64)
    assert np.unravel_index(shown.argmax(), shown.shape)[0] // 8 == 2
    assert np.unravel_index(shown.argmax(), shown.shape)[1] // 8 == 5
    assert shown[20, 44] > 2 * shown[60, 4]


def test_a_sheet_has_the_picture_and_each_word() -> None:
    picture = np.zeros((64, 48, 3), np.uint8)
    one = word_sheet(picture, WordMaps(("a", "cat"), (np.zeros((2, 4, 3), np.float32),)))
    more = word_sheet(picture, WordMaps(("a", "b", "c", "d"), (np.zeros((4, 4, 3), np.float32),)))
    assert more.width > one.width and more.height > one.height, "five pictures need a second row"
    assert word_sheet(picture, WordMaps((), (np.zeros((0, 4, 3), np.float32),))).width < one.width
