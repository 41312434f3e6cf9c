"""Draw bars of text."""

from ui.formatting import NOTHING, UNKNOWN, format_percent


def usage_bar(fraction: float | None) -> str:
    """Return ten cells and the percentage, in a code span where all cells are equally wide: `███░░░░░░░  31%`.

    The number of full cells is rounded, but from 1% on at least one is full, and only from 100% on all are.
    An unknown or absurd use has dots as cells and `?` as its percentage.
    """
    text = format_percent(fraction)
    if text == UNKNOWN:
        return f"`{'·' * 10}    {NOTHING}`"
    percent = int(text.removesuffix("%"))
    cells = 10 if percent >= 100 else min(9, max(1, (percent + 5) // 10)) if percent else 0
    return f"`{'█' * cells}{'░' * (10 - cells)} {text:>4}`"


def progress_bar(fraction: float) -> str:
    """Return a progress bar of ten boxes."""
    full = max(0, min(10, int(fraction * 10)))
    return "▰" * full + "▱" * (10 - full)
