import numpy as np

from nbkit.engines.collage.canvas import Canvas


def test_slow_gradient_neither_bands_nor_shows_grain() -> None:
    """A gradient of a few levels changes a little in every row, and neighbours differ by one level at most."""
    canvas = Canvas(64, 256, np.random.Generator(np.random.PCG64(0)))
    canvas.gradient([(0, (0.40, 0.40, 0.40)), (1, (0.43, 0.43, 0.43))])
    levels = np.asarray(canvas.image(), np.int16)[..., 0]
    blocks = levels.reshape(32, 8, 64).mean(axis=(1, 2))

    assert (np.diff(blocks) > 0).all()
    assert np.abs(np.diff(levels, axis=1)).max() <= 1


def test_edges_are_smooth() -> None:
    """A slanted edge has intermediate values, not steps."""
    canvas = Canvas(64, 64, np.random.Generator(np.random.PCG64(0)))
    canvas.polygon([(4, 4), (60, 20), (30, 60)], (1.0, 1.0, 1.0))
    levels = np.asarray(canvas.image())[..., 0]

    assert ((levels > 30) & (levels < 225)).sum() > 60
