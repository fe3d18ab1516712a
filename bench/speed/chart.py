"""The medians as bars: a row of charts for time, CPU and memory, a column for each case. Plain SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from bench.speed.figures import OURS, Figures, number

WIDTH, LABEL, BAR, GAP, TITLE = 300, 64, 16, 6, 40
"""Pixels: of a chart, of the names in it, of a bar and what is between two, of its title."""

ROWS: tuple[tuple[str, Callable[[Figures], float]], ...] = (
    ("seconds", lambda one: one.seconds),
    ("CPU seconds", lambda one: one.cpu),
    ("MB at the peak", lambda one: one.pss / 1e6),
)


def svg(found: Mapping[str, Sequence[Figures]]) -> str:
    """Return the picture. Figures of stages run one by one, and of wrong copies, are left out."""
    shown = {
        case: [one for one in of_case if not one.wrong and not one.contender.startswith("stages ")]
        for case, of_case in found.items()
    }
    height = TITLE + max(len(of_case) for of_case in shown.values()) * (BAR + GAP) + GAP
    parts = [
        part
        for row, (title, value) in enumerate(ROWS)
        for column, (case, of_case) in enumerate(shown.items())
        for part in _chart((column * WIDTH, row * height), f"{case}: {title}", of_case, value)
    ]
    size = (WIDTH * len(shown), height * len(ROWS))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" '
        f'width="{size[0]}" height="{size[1]}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{"".join(parts)}</svg>\n'
    )


def _chart(
    at: tuple[int, int], title: str, of_case: Sequence[Figures], value: Callable[[Figures], float]
) -> Iterator[str]:
    left, top = at
    yield f'<text x="{left + 8}" y="{top + 24}" font-weight="bold" fill="#1f2328">{escape(title)}</text>\n'
    most = max((value(one) for one in of_case), default=0) or 1
    room = WIDTH - LABEL - 60
    for line, one in enumerate(of_case):
        y, long = top + TITLE + line * (BAR + GAP), value(one) / most * room
        colour = "#0969da" if one.contender == OURS else "#afb8c1"
        baseline = y + BAR - 4
        yield (
            f'<text x="{left + LABEL}" y="{baseline}" text-anchor="end" fill="#1f2328">'
            f"{escape(one.contender)}</text>\n"
            f'<rect x="{left + LABEL + 4}" y="{y}" width="{long:.1f}" height="{BAR}" fill="{colour}"/>\n'
            f'<text x="{left + LABEL + 8 + long:.1f}" y="{baseline}" fill="#1f2328">'
            f"{number(value(one))}</text>\n"
        )
