"""Plots of the scenarios as SVG: the level in requests a second, against what the upstream can bear."""

from collections.abc import Iterable, Sequence
from html import escape

from bench.adaptive.scenarios import LARGEST
from bench.adaptive.simulation import Second

_WIDTH, _HEIGHT = 720, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 48, 28
_SHOWN = 420
"""Requests a second at the upper edge."""
_LINES = (
    ("capacity", "#999999", "4 3"),
    ("limit in force", "#0060c0", "none"),
    ("ended in time", "#2a8a3e", "none"),
)


def plot(title: str, past: Sequence[Second]) -> str:
    """One course of events as an SVG document, the same bytes whenever it is drawn."""
    series = (
        [one.capacity for one in past],
        [one.level * LARGEST for one in past],
        _smooth([one.figures.ended - one.figures.slow for one in past]),
    )
    lines = [_polyline(values, colour, dashes) for values, (_, colour, dashes) in zip(series, _LINES, strict=True)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
            '<g font-family="sans-serif" font-size="11">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
            f'<text x="{_LEFT}" y="16" font-size="13">{escape(title)}</text>',
            *_legend(),
            *_axes(past),
            *lines,
            "</g>",
            "</svg>\n",
        ]
    )


def _smooth(values: Sequence[float]) -> list[float]:
    """The mean of five seconds: arrivals are random."""
    return [sum(part := values[max(0, index - 4) : index + 1]) / len(part) for index in range(len(values))]


def _x(second: float, seconds: int) -> float:
    return _LEFT + second * (_WIDTH - _LEFT - _RIGHT) / max(1, seconds - 1)


def _y(value: float) -> float:
    return _HEIGHT - _BOTTOM - value * (_HEIGHT - _TOP - _BOTTOM) / _SHOWN


def _polyline(values: Sequence[float], colour: str, dashes: str) -> str:
    points = " ".join(f"{_x(second, len(values)):.1f},{_y(value):.1f}" for second, value in enumerate(values))
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dashes}" points="{points}"/>'


def _legend() -> Iterable[str]:
    for index, (title, colour, dashes) in enumerate(_LINES):
        x = _LEFT + 130 * index
        yield f'<path d="M{x} 32h24" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dashes}"/>'
        yield f'<text x="{x + 30}" y="36">{title}</text>'


def _axes(past: Sequence[Second]) -> Iterable[str]:
    for value in range(0, _SHOWN, 100):
        y = f"{_y(value):.1f}"
        yield f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="#e4e4e4"/>'
        yield f'<text x="{_LEFT - 6}" y="{y}" text-anchor="end" dominant-baseline="middle">{value}/s</text>'
    for second in range(0, len(past), 30):
        x = f"{_x(second, len(past)):.1f}"
        yield f'<text x="{x}" y="{_HEIGHT - 10}" text-anchor="middle">{second} s</text>'
