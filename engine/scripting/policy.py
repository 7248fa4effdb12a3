"""The language of scripts: Python without the parts that lead out of it, refused in words that an author can act on.

Attribute and item loads, iteration and unpacking carry no guard at run time: their names are constants that the
compiler has checked, and a guard on each costs 2 to 14 times the plain access. Stores keep theirs, but for those into
names that hold nothing but containers of the script (``engine.scripting.containers``). Loop heads, function heads and
``except`` handlers look at the flag ``_stop_``, which the CPU budget sets (1.00 to 1.14 times plain Python).

RestrictedPython is a subset compiler, not a wall: the wall is the process around it (``engine.jail``).
"""

from __future__ import annotations

import ast
from difflib import get_close_matches
from typing import Any

from RestrictedPython.transformer import IOPERATOR_TO_STR, RestrictingNodeTransformer, copy_locations

from engine.scripting.facades.modules import MODULES, names_in, why_not
from engine.scripting.guards import RISKY_ATTRIBUTES

STOP_FLAG = "_stop_"

_METHODS = """
    init str repr bool len iter next contains getitem setitem delitem call enter exit hash eq ne lt le gt ge add radd
    iadd sub rsub mul rmul truediv neg int float index
"""
METHODS = frozenset(f"__{name}__" for name in _METHODS.split())
"""What a script's class may define of the interpreter's names: none of them changes how a name or a class is found."""

INSTEAD = {
    # kind of syntax -> what its author reads
    "Match": "match is not available; use if and elif",
    "AsyncFunctionDef": "async is not available; hooks are plain functions",
    "AsyncFor": "async is not available; hooks are plain functions",
    "AsyncWith": "async is not available; hooks are plain functions",
    "Await": "async is not available; hooks are plain functions",
    "TryStar": "except* is not available; use except",
    "TypeAlias": "type is not available; annotations need no alias",
    "TypeVar": "type parameters are not available",
    "TypeVarTuple": "type parameters are not available",
    "ParamSpec": "type parameters are not available",
}


class Policy(RestrictingNodeTransformer):
    """Collects every mistake of a script in ``errors``, as ``Line 3: …``, and rewrites the rest."""

    containers: frozenset[str] = frozenset()
    """Names that hold nothing but containers of the script: stores into them carry no guard."""

    def visit(self, node: ast.AST) -> Any:
        """Check and rewrite ``node``; what is refused stays in its place, so that all around it is checked."""
        rewritten = super().visit(node)
        return node if rewritten is None else rewritten

    # -- words ---------------------------------------------------------------------------------------------------------

    def not_allowed(self, node: ast.AST) -> None:
        """Refuse a whole kind of statement or expression."""
        kind = type(node).__name__
        self.error(node, INSTEAD.get(kind, f"{kind} is not available"))

    def check_name(self, node: Any, name: str | None, allow_magic_methods: bool = False) -> None:
        """Refuse a name that is ours or the interpreter's."""
        if allow_magic_methods and name in METHODS and node.col_offset != 0:
            return
        if name == "super" and not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
            self.error(node, "'super' cannot be used as a name; it is how a method finds that of its base class")
            return
        before = len(self.errors)
        super().check_name(node, name, allow_magic_methods)
        if len(self.errors) > before:
            del self.errors[before:]
            self.error(node, f"{name!r} cannot be used as a name; {_why(str(name), 'it is reserved')}")

    def _check_attribute(self, node: ast.Attribute) -> None:
        """Apply the rules for attribute names to ``node`` without rewriting it."""
        before = len(self.errors)
        probe = ast.Attribute(ast.Name("probe", ast.Load()), node.attr, ast.Load())
        ast.fix_missing_locations(ast.copy_location(probe, node))
        super().visit_Attribute(probe)
        if len(self.errors) > before:
            del self.errors[before:]
            self.error(node, f"'.{node.attr}' is not available; {_why(node.attr, 'it leads into the interpreter')}")

    # -- names and values ----------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> Any:
        """``print`` is an ordinary function here."""
        if node.id == "print" and isinstance(node.ctx, ast.Load):
            return node
        self.check_name(node, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """A load is plain unless its name is risky; a store goes through ``_write_``."""
        if _is_base_init(node):
            return node
        self._check_attribute(node)
        if not isinstance(node.ctx, ast.Load):
            return self._guard_store(node)
        node = self.node_contents_visit(node)
        if node.attr not in RISKY_ATTRIBUTES:
            return node
        return _located(_call("_getattr_", node.value, ast.Constant(node.attr)), node)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """A load is plain; a store goes through ``_write_``."""
        return self.node_contents_visit(node) if isinstance(node.ctx, ast.Load) else self._guard_store(node)

    def _guard_store(self, node: Any) -> Any:
        owned = (
            isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in self.containers
        )
        node = self.node_contents_visit(node)
        if not owned:
            node.value = _located(_call("_write_", node.value), node.value)
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        """Plain; ``*`` and ``**`` need no guard where arguments are plain values."""
        return self.node_contents_visit(node)

    def visit_arg(self, node: ast.arg) -> Any:
        """Annotations are for the editor; they are never evaluated."""
        node.annotation = None
        return node

    # -- assignment ----------------------------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> Any:
        """Unpacking is plain."""
        return self.node_contents_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """``x: int = 3`` is ``x = 3``; ``x: int`` is nothing."""
        if node.value is None:
            self.visit(node.target)
            return _located(ast.Pass(), node)
        return self.visit(_located(ast.Assign([node.target], node.value), node))

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """Plain but for the guard of its target, which is evaluated once: ``_write_(x)[k] += 1``."""
        target = node.target
        if isinstance(target, ast.Attribute) and target.attr in RISKY_ATTRIBUTES:
            self._check_attribute(target)
            where, value = self.visit(target.value), self.visit(node.value)
            operator = ast.Constant(IOPERATOR_TO_STR[type(node.op)])
            call = _call("_inplace_attribute_", operator, where, ast.Constant(target.attr), value)
            return _located(ast.Expr(call), node)
        return self.node_contents_visit(node)

    def visit_Global(self, node: ast.Global) -> Any:
        """Allowed; the names are checked."""
        for name in node.names:
            self.check_name(node, name)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> Any:
        """Allowed; the names are checked."""
        for name in node.names:
            self.check_name(node, name)
        return node

    # -- import ------------------------------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> Any:
        """``import json`` becomes the assignment of a facade; everything else is refused."""
        found: list[ast.stmt] = []
        for alias in node.names:
            package = alias.name.partition(".")[0]
            if alias.name not in MODULES:
                self.error(node, why_not(alias.name))
                continue
            self.check_name(node, alias.asname or package)
            module = _call("_import_", ast.Constant(alias.name if alias.asname else package))
            found.append(_assign(alias.asname or package, module, node))
        return found or _located(ast.Pass(), node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        """``from json import dumps`` likewise; ``from __future__`` says nothing new here."""
        module = node.module or ""
        if module == "__future__" and not node.level:
            return _located(ast.Pass(), node)
        if node.level or module not in MODULES:
            self.error(node, why_not("." * node.level + module))
            return node
        found: list[ast.stmt] = []
        for alias in node.names:
            if alias.name not in names_in(module):
                self.error(node, _not_in(module, alias.name))
                continue
            self.check_name(node, alias.asname or alias.name)
            value = ast.Attribute(_call("_import_", ast.Constant(module)), alias.name, ast.Load())
            found.append(_assign(alias.asname or alias.name, value, node))
        return found or _located(ast.Pass(), node)

    # -- where the budget looks ----------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: Any) -> Any:
        """Allowed; its head looks at the flag."""
        node.returns = None
        node = super().visit_FunctionDef(node)
        return _with_check(node, node.body)

    def visit_Lambda(self, node: Any) -> Any:
        """Allowed; its head looks at the flag."""
        node = super().visit_Lambda(node)
        node.body = _located(ast.IfExp(_flag(), _call("_over_"), node.body), node.body)
        return node

    def visit_While(self, node: Any) -> Any:
        """Allowed; each round looks at the flag."""
        node = super().visit_While(node)
        return _with_check(node, node.body)

    def visit_For(self, node: Any) -> Any:
        """Allowed; each round looks at the flag."""
        node = self.node_contents_visit(node)
        return _with_check(node, node.body)

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        """Allowed; each round looks at the flag."""
        if node.is_async:
            self.error(node.target, INSTEAD["AsyncFor"])
        node = self.node_contents_visit(node)
        check = ast.BoolOp(ast.Or(), [ast.UnaryOp(ast.Not(), _flag()), _call("_over_")])
        node.ifs.insert(0, _located(check, node.iter))
        return node

    def visit_ExceptHandler(self, node: Any) -> Any:
        """Allowed; a handler that swallowed the end of a budget raises it again."""
        node = super().visit_ExceptHandler(node)
        return _with_check(node, node.body)

    def visit_With(self, node: ast.With) -> Any:
        """Allowed; unpacking is plain."""
        return self.node_contents_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """Allowed, without keywords."""
        for keyword in node.keywords:
            self.error(node, f"class {node.name}: keyword {keyword.arg!r} is not available")
        node.keywords = []
        return _located(super().visit_ClassDef(node), node)


def _is_base_init(node: ast.Attribute) -> bool:
    """``super().__init__``, the one name with underscores that classes need; ``super`` is never rebound."""
    value = node.value
    if node.attr != "__init__" or not isinstance(node.ctx, ast.Load) or not isinstance(value, ast.Call):
        return False
    return isinstance(value.func, ast.Name) and value.func.id == "super" and not value.args and not value.keywords


def _not_in(module: str, name: str) -> str:
    if name == "*":
        return f"import * is not available; name what you need of {module!r}"
    near = get_close_matches(name, names_in(module), 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names_in(module))}"
    return f"{name[:100]!r} of {module!r} is not available; {hint}"


def _assign(name: str, value: ast.expr, node: ast.stmt) -> ast.stmt:
    assign: ast.stmt = _located(ast.Assign([ast.Name(name, ast.Store())], value), node)
    return assign


def _why(name: str, otherwise: str) -> str:
    return "names that start with an underscore belong to the interpreter" if name.startswith("_") else otherwise


def _flag() -> ast.Name:
    return ast.Name(STOP_FLAG, ast.Load())


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(function, ast.Load()), list(arguments), [])


def _located(new: Any, old: Any) -> Any:
    copy_locations(new, old)
    return new


def _with_check(node: Any, body: list[ast.stmt]) -> Any:
    check = ast.If(_flag(), [ast.Expr(_call("_over_"))], [])
    body.insert(0, _located(check, body[0]))
    return node
