"""The keyboard alone: what a user without a mouse does."""

from __future__ import annotations

from playwright.sync_api import Page

WAIT_MS = 60_000
IS_NAMED = """const named = (e, name) => {
    const label = e.labels && e.labels[0];
    return [e.getAttribute("aria-label"), label && label.textContent, e.textContent]
        .some(words => (words || "").trim() === name);
};"""
CAN_BE_USED = f"""name => {{ {IS_NAMED}
    return [...document.querySelectorAll("a, button, input, select, textarea, summary, [tabindex]")]
        .some(e => named(e, name) && !e.disabled && e.checkVisibility());
}}"""
IS_REACHED = f"name => {{ {IS_NAMED} return named(document.activeElement, name); }}"


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element with this accessible name or label has the focus, once it can be used."""
    page.wait_for_function(CAN_BE_USED, arg=name, timeout=WAIT_MS)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(IS_REACHED, name):
            return
    raise AssertionError(f"no element named {name!r} is reached by the Tab key")
