"""Pictures of a report: shapes on a plane, written as SVG without style or script, and as PNG for a Word file."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Literal

from derm_kit.errors import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

INK, SOFT, AXIS, ACCENT, WARM, WARNING = "#212b32", "#4c6272", "#aeb7bd", "#2a6f97", "#c26a00", "#8a5a00"
FONT, NARROWER = "DejaVu Sans", 0.92
"""Of a PNG: the letters are wide, so that they are drawn a little smaller than on a page."""
TWICE_DPI = 144
"""Of a PNG: two dots to a unit of the plane, of which there are 72 to an inch."""
MOST_CHARACTERS = 20_000


@dataclass(frozen=True)
class Pen:
    """How a line is drawn: its colour, width, and dashes (lengths on and off; none for a full line)."""

    colour: str = INK
    width: float = 1.0
    dashes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """Points joined by a line."""

    points: tuple[tuple[float, float], ...]
    pen: Pen = Pen()


@dataclass(frozen=True)
class Dots:
    """Round dots, all of one size."""

    points: tuple[tuple[float, float], ...]
    radius: float
    colour: str


@dataclass(frozen=True)
class Box:
    """A filled rectangle, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True)
class Words:
    """One line of text on its base line; `turned` reads upwards."""

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    size: float = 12.0
    bold: bool = False
    colour: str = INK
    turned: bool = False


Shape = Line | Dots | Box | Words


@dataclass(frozen=True)
class Picture:
    """Shapes in their order on a plane of `width` by `height` units, y downwards."""

    width: float
    height: float
    shapes: tuple[Shape, ...]

    def to_svg(self, alternative: str) -> str:
        """To stand within a page; `alternative` says what is to be seen."""
        shapes = "".join(map(_svg, self.shapes))
        size = f"viewBox='0 0 {self.width:g} {self.height:g}' preserveAspectRatio='xMinYMin'"
        return f"<svg {size} role='img' aria-label='{escape(plain(alternative))}'>{shapes}</svg>"

    def to_png(self) -> bytes:
        """The same on white, two dots to a unit; the same shapes give the same bytes."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure((self.width / 72, self.height / 72), dpi=TWICE_DPI, facecolor="white")
        FigureCanvasAgg(figure)
        for order, shape in enumerate(self.shapes):
            _draw(figure, shape, self.height, order)
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure.savefig(file, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 1})
        return file.getvalue()


def plain(text: str) -> str:
    """Text on one line; characters that cannot be seen, which XML forbids or which turn its order, are spelt out."""
    return printable(" ".join(text.split()), MOST_CHARACTERS)


def _svg(shape: Shape) -> str:
    match shape:
        case Line(points, pen):
            dashes = f" stroke-dasharray='{' '.join(f'{one:g}' for one in pen.dashes)}'" if pen.dashes else ""
            at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            return f"<polyline fill='none' stroke='{pen.colour}' stroke-width='{pen.width:g}'{dashes} points='{at}'/>"
        case Dots(points, radius, colour):
            at = "".join(f"M{x:.1f},{y:.1f}h0" for x, y in points)
            return f"<path stroke='{colour}' stroke-width='{2 * radius:g}' stroke-linecap='round' d='{at}'/>"
        case Box(x, y, width, height, colour):
            at = f"x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}'"
            return f"<rect {at} fill='{colour}'/>"
        case Words(x, y, text):
            turned = f" transform='rotate(-90 {x:.1f} {y:.1f})'" if shape.turned else ""
            bold = " font-weight='bold'" if shape.bold else ""
            return (
                f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{shape.anchor}' font-size='{shape.size:g}'{bold} "
                f"fill='{shape.colour}'{turned}>{escape(plain(text))}</text>"
            )


def _draw(figure: Figure, shape: Shape, height: float, order: int) -> None:
    """Put a shape on a figure of matplotlib, whose y goes upwards, in front of those before it."""
    from matplotlib.transforms import Affine2D

    made = _artist(shape)
    made.set_zorder(order)
    made.set_transform(Affine2D().scale(1, -1).translate(0, height).scale(TWICE_DPI / 72))
    figure.add_artist(made)


def _artist(shape: Shape) -> Artist:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

    match shape:
        case Line(points, pen):
            x, y = zip(*points, strict=True)
            line = Line2D(x, y, color=pen.colour, linewidth=pen.width, dash_capstyle="butt", solid_capstyle="butt")
            if pen.dashes:
                line.set_dashes([one / pen.width for one in pen.dashes])
            return line
        case Dots(points, radius, colour):
            x, y = zip(*points, strict=True)
            return Line2D(x, y, color=colour, linestyle="none", marker="o", markersize=2 * radius, markeredgewidth=0)
        case Box(x, y, width, tall, colour):
            return Rectangle((x, y), width, tall, facecolor=colour, edgecolor="none")
        case Words(x, y, text):
            sides: dict[str, Literal["left", "center", "right"]] = {"start": "left", "middle": "center", "end": "right"}
            return Text(
                x, y, plain(text), color=shape.colour, fontfamily=FONT, fontsize=NARROWER * shape.size,
                fontweight="bold" if shape.bold else "normal", rotation=90 if shape.turned else 0,
                rotation_mode="anchor", horizontalalignment=sides[shape.anchor], verticalalignment="baseline",
                parse_math=False,
            )  # fmt: skip
