"""Requests a second of each variant as bars: an SVG that reads on a light page and on a dark one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.variants import VARIANTS

_WIDTH, _LABELS, _RIGHT = 760, 270, 90
_ROW, _BAR, _TOP = 34, 18, 44

_STYLE = """\
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 11px; fill: #59636e }
  .ours { fill: #0969da } .other { fill: #8c959f } .range { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 }
    .ours { fill: #4493f8 } .other { fill: #6e7681 } .range { stroke: #f0f6fc }
  }"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bar:
    title: str
    ours: bool
    low: float
    middle: float
    high: float


def chart(results: Mapping[str, float]) -> str:
    """The picture of these results, a text of SVG."""
    bars = [
        _Bar(
            title=variant.title,
            ours=variant.name.startswith("worker"),
            low=results[f"rate_{variant.name}_min"],
            middle=results[f"rate_{variant.name}"],
            high=results[f"rate_{variant.name}_max"],
        )
        for variant in VARIANTS
    ]
    return _drawn(bars, footnote=_footnote(results))


def _footnote(results: Mapping[str, float]) -> str:
    count, processors = int(results["repetitions"]), int(results["processors"])
    return (
        f"Median of {count} runs in turn, thin lines: the least and the most. {processors} processors for Kafka, "
        "Postgres and the program together; fsync on."
    )


def _drawn(bars: Sequence[_Bar], *, footnote: str) -> str:
    height = _TOP + len(bars) * _ROW + 30
    scale = (_WIDTH - _LABELS - _RIGHT) / max(bar.high for bar in bars)
    rows = "\n".join(_row(bar, _TOP + number * _ROW, scale) for number, bar in enumerate(bars))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Requests a second">
<style>
{_STYLE}
</style>
<text x="0" y="20" font-weight="600">Requests decided and answered a second</text>
{rows}
<text class="small" x="0" y="{height - 8}">{escape(footnote)}</text>
</svg>
"""


def _row(bar: _Bar, top: float, scale: float) -> str:
    middle = top + _BAR / 2
    kind = "ours" if bar.ours else "other"
    low, high = (_LABELS + value * scale for value in (bar.low, bar.high))
    return "\n".join(
        (
            f'<text x="{_LABELS - 10}" y="{middle + 4.5:.1f}" text-anchor="end">{escape(bar.title)}</text>',
            f'<rect class="{kind}" x="{_LABELS}" y="{top}" width="{bar.middle * scale:.1f}" height="{_BAR}" rx="2"/>',
            f'<line class="range" x1="{low:.1f}" y1="{middle:.1f}" x2="{high:.1f}" y2="{middle:.1f}"/>',
            f'<text x="{high + 8:.1f}" y="{middle + 4.5:.1f}">{bar.middle:,.0f}</text>',
        )
    )
