"""A figure's files, the same to the last byte every time; as a program, for `painters`."""

from __future__ import annotations

import io
import os
import pickle
import sys

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, RULE = "#1b1f24", "#5b6570", "#d9dee4"
STYLE = {
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "swagflow",
    "pdf.fonttype": 42,  # letters stay letters in a drawing program
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


def drawn(figure: Figure) -> dict[str, bytes]:
    """Return the PNG, SVG and PDF of a figure, without dates or versions in them."""
    png, svg, pdf = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with mpl.rc_context(STYLE):
        FigureCanvasAgg(figure)
        figure.savefig(png, format="png", dpi=160, facecolor="white", metadata={"Software": None})
        figure.set_layout_engine("none")  # places are found, which is most of the time
        FigureCanvasSVG(figure)
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(svg, format="svg", facecolor="none", metadata=nothing)
        FigureCanvasPdf(figure)
        nothing = {"CreationDate": None, "Creator": None, "Producer": None}
        figure.savefig(pdf, format="pdf", facecolor="none", metadata=nothing)
    return {"png": png.getvalue(), "svg": svg.getvalue(), "pdf": pdf.getvalue()}


def main() -> None:
    """Answer each pickled figure of the standard input by its pickled files."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints is no answer
    while True:
        try:
            figure = pickle.load(sys.stdin.buffer)  # noqa: S301 - from who started this
        except EOFError:
            return
        pickle.dump(drawn(figure), answers)
        answers.flush()


if __name__ == "__main__":
    main()
