"""Where the workbench cannot be opened: told before anything starts."""

from __future__ import annotations

import socket

import pytest

from derm_kit.serve import ServeError, serve


def test_a_taken_port_is_named_with_the_next_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"127.0.0.1:{port}: the workbench needs a free port.*--port {port + 1}"):
            serve(port)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ServeError, match=r"192\.0\.2\.1:8866: the address can be listened on.*--address"):
        serve(address="192.0.2.1")
