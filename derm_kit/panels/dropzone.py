"""DropZone: one file from the user's machine into the page's memory, its name left behind."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as t


class DropZone(anywidget.AnyWidget):
    """Drop one file, or choose it with the button; `given` counts the files and changes last.

    `content` is the file, empty where its `size` (bytes) is above `largest`: such a file is never sent. A file's name
    may name a patient, so it stays in the browser.
    """

    _esm = Path(__file__).with_name("dropzone.js")

    words = t.Unicode("Drop a file here, or").tag(sync=True)
    label = t.Unicode("Choose a file").tag(sync=True)
    accept = t.Unicode().tag(sync=True)
    largest = t.Int().tag(sync=True)
    content = t.Bytes().tag(sync=True, from_json=lambda sent, _: bytes(sent))
    size = t.Int(0).tag(sync=True)
    given = t.Int(0).tag(sync=True)
