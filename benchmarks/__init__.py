"""How fast the book is, as ratios against what one would otherwise run. Not part of the tests."""
