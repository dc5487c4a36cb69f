"""Pictures of piano rolls."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray


def piano_roll_picture(
    roll: NDArray[np.number], frame_seconds: float, lowest_pitch: int, title: str
) -> NDArray[np.uint8]:
    """Time to the right, pitch upwards, black where a note sounds: colours (height, width, 3).

    Args:
        roll: (frames, pitches) of zeros and ones.
        frame_seconds: length of a frame.
        lowest_pitch: MIDI number of the first pitch.
        title: of the picture.

    Source: the tutorial's figures, with the same axes and words.
    """
    frames, pitches = roll.shape
    figure = Figure(figsize=(9, 4.5), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    extent = (0.0, frame_seconds * frames, float(lowest_pitch), float(lowest_pitch + pitches))
    axes.imshow(
        roll.T, origin="lower", aspect="auto", interpolation="nearest", cmap="gray_r", vmin=0, vmax=1, extent=extent
    )
    axes.set(xlabel="time (s)", ylabel="MIDI note number", title=title)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's canvas is half typed
    return np.array(canvas.buffer_rgba(), np.uint8)[..., :3]  # type: ignore[no-untyped-call]
