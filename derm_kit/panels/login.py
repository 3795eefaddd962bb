"""Who is logged in at a page: what a proxy or a JupyterHub said, told by the server to the page's kernel in a file.

The file lies beside the kernel's connection file, in a folder that only the server's account enters. It fills in a name
on pages and signs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path

from derm_kit.records.people import Person

_PREFIX = "login-"


def claim(folder: Path, kernel: str, login: str) -> bool:
    """Give a kernel to the first login that asks for it; whether it is this one's. `folder` holds connection files."""
    try:
        descriptor = os.open(_file(folder, kernel), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return owner(folder, kernel) == login
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(login)
    return True


def owner(folder: Path, kernel: str) -> str | None:
    """The login that a kernel was given to, None for none."""
    try:
        return _file(folder, kernel).read_text("utf-8")
    except FileNotFoundError:
        return None


def forget_ended(folder: Path, running: Container[str]) -> None:
    """Forget whose kernels those were that are no longer running."""
    for file in folder.glob(f"{_PREFIX}*"):
        if file.name.removeprefix(_PREFIX) not in running:
            file.unlink(missing_ok=True)


def login_here() -> str:
    """The login at the page of this kernel; "" where nothing stands in front of the workbench, and outside a kernel."""
    from ipykernel.kernelapp import IPKernelApp

    if not IPKernelApp.initialized():
        return ""
    connection = Path(IPKernelApp.instance().abs_connection_file)
    return owner(connection.parent, connection.stem.removeprefix("kernel-")) or ""


def person_here(people: list[Person]) -> str:
    """Id of the person among `people` that the login at this page stands for, "" for none."""
    login = login_here()
    return next((person.id for person in people if login and person.login == login), "")


def _file(folder: Path, kernel: str) -> Path:
    return folder / f"{_PREFIX}{kernel}"
