"""What a report's template may say: values, conditions and loops over what it is given, and nothing else.

Jinja2's sandbox keeps a template from code and files; these rules leave it no call, no attribute of an object, and no
expression or loop that grows without bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from derm_kit.records.document_markup import MarkupError, guarded
from derm_kit.records.provenance import NONE, Figure, Measured

MOST_STEPS = 3_000_000
"""Parts of a template that are worked out in all loops together: about a second."""
DEEPEST = 40
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.For,
    nodes.If, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Filter,
)  # fmt: skip
_COMPARED = frozenset({"eq", "ne", "gt", "gteq", "lt", "lteq"})
_LOOP = frozenset({"index", "first", "last"})
_COUNTED = "counted"


class Rules(ImmutableSandboxedEnvironment):
    """An environment for one filling of one template."""

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False, finalize=_as_text,
            keep_trailing_newline=True, optimized=False,
        )  # fmt: skip
        self._steps = 0
        self.globals.clear()
        self.tests.clear()
        self.filters.clear()
        self.filters.update({"length": _length, "join": _join, _COUNTED: self._counted})

    def getattr(self, obj: object, attribute: str) -> object:
        """`thing.name`: a field of what was given; never an attribute of an object."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: object, argument: object) -> object:
        """`thing[name]`: a field or a place of what was given."""
        if isinstance(obj, LoopContext) and argument in _LOOP:
            return getattr(obj, argument)
        if isinstance(obj, Mapping) and argument in obj:
            return obj[argument]
        if isinstance(obj, tuple | list) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        return self.undefined(obj=obj, name=str(argument))

    def checked(self, tree: nodes.Template) -> nodes.Template:
        """The template, with its loops counted. Raises MarkupError where it does what none may."""
        _require_allowed(tree)
        for loop in list(tree.find_all(nodes.For)):
            cost = nodes.Const(1 + sum(1 for part in loop.body for _ in _every(part)))
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [cost], [], None, None).set_lineno(loop.lineno)
        return tree

    def _counted(self, found: object, cost: int) -> Iterator[object]:
        if not isinstance(found, tuple | list):
            raise MarkupError(0, "a loop goes through a list of what the report gives", "Name a list.")
        for one in found:
            self._steps += cost
            if self._steps > MOST_STEPS:
                raise MarkupError(0, "a template's loops end within about a second", "Take a loop out of the other.")
            yield one


def _every(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _every(child)


def _require_allowed(tree: nodes.Template) -> None:
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 0, 1)]
    while waiting:
        node, depth, above = waiting.pop()
        line = node.lineno or above
        problem = _problem(node, depth)
        if problem:
            raise MarkupError(
                line, f"a template shows values, asks 'if' and loops with 'for'; {problem}",
                "Take it out: tables and charts are called by name, on lines of their own.",
            )  # fmt: skip
        waiting += [(child, depth + 1, line) for child in node.iter_child_nodes()]


def _problem(node: nodes.Node, depth: int) -> str:
    """What a node does that none may; "" for nothing."""
    if not isinstance(node, _ALLOWED):
        return f"it uses no '{type(node).__name__.lower()}'"
    if depth > DEEPEST:
        return f"nothing in it is nested more than {DEEPEST} deep"
    match node:
        case nodes.Getattr(attr=str(name)) | nodes.Name(name=str(name)) if name.startswith("_"):
            return f"a name in it begins with a letter, unlike '{name}'"
        case nodes.Filter() if node.name not in ("length", "join") or node.kwargs or node.dyn_args or node.dyn_kwargs:
            return f"the only filters in it are length and join, not '{node.name}'"
        case nodes.Operand() if node.op not in _COMPARED:
            return "it compares by ==, !=, <, <=, > and >= alone"
    return ""


def _as_text(value: object) -> object:
    """A value as the mark-up takes it: one line that is never read as mark-up."""
    if isinstance(value, Undefined):
        return value  # printing it raises, with its name
    match value:
        case Figure() | Measured():
            return guarded(value.shown)
        case None:
            return guarded(NONE)
        case bool():
            return guarded("yes" if value else "no")
        case int():
            return guarded(f"{value:,}")
        case float():
            return guarded(f"{value:.6g}".replace("-", "−"))
        case str():
            return guarded(value)
    raise MarkupError(0, "a template shows texts, numbers and figures", "Name a field of this, or loop over it.")


def _length(found: object) -> int:
    if not isinstance(found, Sequence | Mapping):
        raise MarkupError(0, "length is that of a list or text", "Name a list.")
    return len(found)


def _join(found: object, between: str = ", ") -> str:
    if not isinstance(found, tuple | list) or not isinstance(between, str):
        raise MarkupError(0, "join puts the texts of a list together, with a text between them", "Name a list.")
    return between.join(map(_plainly, found))


def _plainly(value: object) -> str:
    return value if isinstance(value, str) else str(_as_text(value))[1:-1]
