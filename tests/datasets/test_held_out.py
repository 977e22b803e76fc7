"""The rule that holds out a tenth of train is frozen: these hashes were taken with the `sha256sum` program."""

from __future__ import annotations

import pytest

from facebench.datasets.held_out import is_held_out

# printf '%s' PATH | sha256sum | cut -c1-16 ; the last column is that hexadecimal number modulo 10
FROZEN = [
    ("41--Swimming/41_Swimming_Swimmer_41_35.jpg", "92ca1b508990304b", 9),
    ("2--Demonstration/2_Demonstration_Political_Rally_2_599.jpg", "61978f87723c4cae", 0),
    ("helen/trainset/100032540_1", "28ec38cdf90a6e49", 9),
    ("afw/1051618982_1", "3c082e8b16912d63", 9),
    ("0", "5feceb66ffc86f38", 0),
    ("1", "6b86b273ff34fce1", 3),
    ("2", "d4735e3a265e16ee", 6),
    ("3", "4e07408562bedb8b", 3),
    ("0/image00005.jpg", "c5b04da18be74ab4", 0),
    ("0/image00016.jpg", "405d1364642169e2", 0),
    ("0/image00026.jpg", "f8eeaa60eff09726", 0),
    ("0/image00028.jpg", "7d380b2c0150ecd4", 0),
    ("0/image00029.jpg", "acf02e7579cc66ee", 0),
    ("0/image00032.jpg", "d93049b423e4b710", 0),
]


@pytest.mark.parametrize(("path", "head", "digit"), FROZEN)
def test_frozen(path: str, head: str, digit: int) -> None:
    assert int(head, 16) % 10 == digit
    assert is_held_out(path) == (digit == 0)


def test_about_a_tenth() -> None:
    held = sum(is_held_out(f"folder/picture_{i}.jpg") for i in range(10_000))
    # Binomial(10000, 0.1): standard deviation 30.
    assert abs(held - 1000) < 5 * 30
