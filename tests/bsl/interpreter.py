"""Runs modules of 1C over their syntax trees, against the platform of :mod:`tests.bsl.platform`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.bsl.compiling import Step, compile_module
from tests.bsl.names import undefined
from tests.bsl.syntax import literal_value
from tests.bsl.values import NULL, Array, BslError, BslMap, Cell, Structure, add, member, method

Scope = dict[str, Cell]


class Returned(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class BrokeOff(Exception):
    pass


class Continued(Exception):
    pass


class Names(dict[str, Any]):
    """The names of the platform and the common modules, found without case."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        for name, value in values.items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name.casefold(), value)

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name.casefold())


class Module:
    """A module at work: its variables, and the object it belongs to.

    ``names`` are what the platform offers besides: globals, common modules, managers.

    Raises:
        SyntaxError: the platform would not compile it: what it says, or a name it does not know.
    """

    def __init__(self, source: str, names: dict[str, Any], this: Any = None) -> None:
        compiled = compile_module(source)
        self.names, self.this = names, this
        if missing := undefined(source, self._is_defined):
            raise SyntaxError(f"not defined: {missing[0]}")
        self.variables: Scope = {name: Cell() for name in compiled.variables}
        self.routines = compiled.routines
        self.caught: Cell = names["#caught"]
        self._run(compiled.body, {})

    def has(self, name: str) -> bool:
        return name.casefold() in self.routines

    def _is_defined(self, name: str) -> bool:
        key = name.casefold()
        if key in self.names:
            return True
        if self.this is None:
            return False
        if key.endswith("()"):
            return bool(self.this.has_method(key.removesuffix("()")))
        return key == "этотобъект" or bool(self.this.has(key))

    def call_exported(self, name: str, *arguments: Any) -> Any:
        """Call a routine from outside the module, as the platform allows it: exported only."""
        routine = self.routines.get(name.casefold())
        if routine is None or routine.field("export") is None:
            raise BslError(f"Метод объекта не обнаружен ({name})")
        return self.call(name, *arguments)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a routine; an argument that is a Cell is passed by reference."""
        node = self.routines[name.casefold()]
        scope: Scope = {}
        declared = node.field("parameters")
        listed = [] if declared is None else declared.fields.get("parameter", [])
        if len(arguments) > len(listed):
            raise BslError(f"Слишком много фактических параметров ({name})")
        for position, parameter in enumerate(listed):
            given = arguments[position] if position < len(arguments) else None
            default = parameter.field("def")
            if given is None and default is not None:
                given = Cell(self._literal(default))
            cell = given if isinstance(given, Cell) else Cell(given)
            by_value = parameter.field("val") is not None
            scope[parameter.name.casefold()] = Cell(cell.value) if by_value else cell
        try:
            self._run(node.children, scope)
        except Returned as returned:
            return returned.value
        return None

    def _run(self, nodes: Sequence[Step], scope: Scope) -> None:
        for node in nodes:
            if node.type.endswith("_statement"):
                getattr(self, "_" + node.type)(node, scope)

    def _call_statement(self, node: Step, scope: Scope) -> None:
        self._eval(node.children[0], scope)

    def _var_statement(self, node: Step, scope: Scope) -> None:
        for child in node.fields.get("var_name", []):
            scope[child.word.casefold()] = Cell()

    def _assignment_statement(self, node: Step, scope: Scope) -> None:
        left, right = node.field("left"), node.field("right")
        assert left is not None
        assert right is not None
        value = self._eval(right, scope)
        if left.type == "identifier":
            self._variable(left.word, scope).value = value
            return
        owner = self._eval(left.children[0], scope)
        last = left.children[-1]
        if last.type == "property":
            owner.bsl_set(last.word, value)
        else:
            _set_item(owner, self._eval(left.children[2], scope), value)

    def _if_statement(self, node: Step, scope: Scope) -> None:
        branches = [node, *(c for c in node.children if c.type == "elseif_clause")]
        for branch in branches:
            if self._condition(branch.children[1], scope):
                self._run(branch.children, scope)
                return
        for child in node.children:
            if child.type == "else_clause":
                self._run(child.children, scope)

    def _try_statement(self, node: Step, scope: Scope) -> None:
        split = next(i for i, c in enumerate(node.children) if c.type == "EXCEPT_KEYWORD")
        try:
            self._run(node.children[:split], scope)
        except BslError as error:
            before, self.caught.value = self.caught.value, error
            try:
                self._run(node.children[split:], scope)
            finally:
                self.caught.value = before

    def _for_each_statement(self, node: Step, scope: Scope) -> None:
        over = self._eval(node.children[4], scope)
        values = over.pairs() if isinstance(over, (BslMap, Structure)) else list(over)
        self._loop(node, scope, values, node.children[2].word)

    def _for_statement(self, node: Step, scope: Scope) -> None:
        first, last = self._eval(node.children[3], scope), self._eval(node.children[5], scope)
        self._loop(node, scope, range(int(first), int(last) + 1), node.children[1].word)

    def _loop(self, node: Step, scope: Scope, values: Any, name: str) -> None:
        for value in values:
            self._variable(name, scope).value = value
            try:
                self._run(node.children, scope)
            except BrokeOff:
                return
            except Continued:
                continue

    def _break_statement(self, node: Step, scope: Scope) -> None:
        raise BrokeOff

    def _continue_statement(self, node: Step, scope: Scope) -> None:
        raise Continued

    def _return_statement(self, node: Step, scope: Scope) -> None:
        result = node.field("result")
        raise Returned(None if result is None else self._eval(result, scope))

    def _rise_error_statement(self, node: Step, scope: Scope) -> None:
        raise BslError(self._eval(node.children[1], scope))

    def _condition(self, node: Step, scope: Scope) -> bool:
        value = self._eval(node, scope)
        if not isinstance(value, bool):
            raise BslError("Преобразование значения к типу Булево не может быть выполнено")
        return value

    def _variable(self, name: str, scope: Scope) -> Cell:
        key = name.casefold()
        if key in scope:
            return scope[key]
        if key in self.variables:
            return self.variables[key]
        return scope.setdefault(key, Cell())

    def _literal(self, node: Step) -> Any:
        return self._eval(node, {})

    def _eval(self, node: Step, scope: Scope) -> Any:
        handler: Callable[[Step, Scope], Any] | None = getattr(self, "_eval_" + node.type, None)
        if handler is not None:
            return handler(node, scope)
        if node.type in {"property_access", "call_expression", "access"} and node.child_count > 1:
            return self._access(node, scope)
        if node.child_count == 1:
            return self._eval(node.children[0], scope)
        constants = {"TRUE_KEYWORD": True, "FALSE_KEYWORD": False, "NULL_KEYWORD": NULL}
        if node.type in constants:
            return constants[node.type]
        if node.type == "UNDEFINED_KEYWORD":
            return None
        raise SyntaxError(f"{node.type}: {node.word}")

    def _eval_number(self, node: Step, scope: Scope) -> Any:
        written = node.word
        return Decimal(written) if "." in written else int(written)

    def _eval_string(self, node: Step, scope: Scope) -> str:
        return literal_value(node.word)

    def _eval_date(self, node: Step, scope: Scope) -> datetime:
        return datetime.strptime(node.word.strip("'").ljust(14, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007

    def _eval_identifier(self, node: Step, scope: Scope) -> Any:
        key = node.word.casefold()
        for place in (scope, self.variables):
            if key in place:
                return place[key].value
        if self.this is not None:
            if key == "этотобъект":
                return self.this
            if self.this.has(key):
                return self.this.bsl_get(key)
        if key in self.names:
            return self.names[key]
        raise BslError(f"Переменная не определена ({node.word})")

    def _eval_unary_expression(self, node: Step, scope: Scope) -> Any:
        sign, value = node.children[0].word.casefold(), node.children[1]
        return not self._condition(value, scope) if sign == "не" else -self._eval(value, scope)

    def _eval_ternary_expression(self, node: Step, scope: Scope) -> Any:
        condition, yes, no = (node.field(f) for f in ("condition", "consequence", "alternative"))
        assert condition is not None
        assert yes is not None
        assert no is not None
        return self._eval(yes if self._condition(condition, scope) else no, scope)

    def _eval_binary_expression(self, node: Step, scope: Scope) -> Any:
        left, sign, right = node.children[0], node.children[1].word.casefold(), node.children[2]
        if sign == "и":
            return self._condition(left, scope) and self._condition(right, scope)
        if sign == "или":
            return self._condition(left, scope) or self._condition(right, scope)
        return _operate(sign, self._eval(left, scope), self._eval(right, scope))

    def _eval_new_expression(self, node: Step, scope: Scope) -> Any:
        kind = node.field("type")
        assert kind is not None
        constructor = self.names.get("новый " + kind.word.casefold())
        if constructor is None:
            raise BslError(f"Тип не определен ({kind.word})")
        return constructor(*(cell.value for cell in self._cells(node, scope)))

    def _eval_method_call(self, node: Step, scope: Scope) -> Any:
        name, cells = node.name, self._cells(node, scope)
        if self.has(name):
            return self.call(name, *cells)
        values = [cell.value for cell in cells]
        if self.this is not None and self.this.has_method(name):
            return method(self.this, name)(*values)
        function = self.names.get(f"{name.casefold()}()")
        if function is None:
            raise BslError(f"Процедура или функция с указанным именем не определена ({name})")
        return function(*values)

    def _access(self, node: Step, scope: Scope) -> Any:
        owner, last = self._eval(node.children[0], scope), node.children[-1]
        if last.type == "property":
            return member(owner, last.word)
        if last.type == "method_call":
            cells = self._cells(last, scope)
            if isinstance(owner, Module):
                return owner.call_exported(last.name, *cells)
            called = method(owner, last.name)
            by_reference = getattr(called, "takes_cells", False)
            first = [cell.value for cell in cells[:1]]
            return called(*first, *cells[1:]) if by_reference else called(*(c.value for c in cells))
        return _item(owner, self._eval(node.children[2], scope))

    def _cells(self, node: Step, scope: Scope) -> list[Cell]:
        return [Cell() if a is None else self._cell(a, scope) for a in node.arguments]

    def _cell(self, node: Step, scope: Scope) -> Cell:
        """The variable itself when the argument is one, else its value in a fresh cell."""
        inner = node.children[0] if node.child_count == 1 else node
        if inner.type == "identifier":
            for place in (scope, self.variables):
                if inner.word.casefold() in place:
                    return place[inner.word.casefold()]
        return Cell(self._eval(node, scope))


def _operate(sign: str, left: Any, right: Any) -> Any:
    match sign:
        case "=":
            return _flag(left) == _flag(right) and left == right
        case "<>":
            return not _operate("=", left, right)
        case "+":
            return add(left, right)
        case "<":
            return left < right
        case ">":
            return left > right
        case "<=":
            return left <= right
        case ">=":
            return left >= right
        case "-" if isinstance(left, datetime) and not isinstance(right, datetime):
            return left - timedelta(seconds=float(right))
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return Decimal(left) / Decimal(right)
    raise SyntaxError(sign)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _item(owner: Any, key: Any) -> Any:
    if isinstance(owner, Array):
        return owner[int(key)]
    return member(owner, key) if isinstance(key, str) else owner[key]


def _set_item(owner: Any, key: Any, value: Any) -> None:
    if hasattr(owner, "bsl_set"):
        owner.bsl_set(key, value)
    else:
        owner[key] = value
