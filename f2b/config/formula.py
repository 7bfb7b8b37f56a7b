"""How a formula of the admin's becomes a function: in Python's notation, since that is what fail2ban's are written in.

Python's parser reads it and nothing executes it: every node that is allowed becomes a function of the ban, and any
other is refused with its column. All values are floats, so no formula takes long or grows, whatever it says.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from f2b.errors import ConfigError

_LONGEST_TEXT = 200  # bounds the recursion
_TRIED = range(1, 22)


class Case(NamedTuple):
    """What a formula is asked about: bantime, the number of earlier bans, bantime.factor, and a chance in [0, 1)."""

    time: float
    bans: float
    factor: float
    chance: float


_Value = Callable[[Case], float]


@dataclass(frozen=True, slots=True)
class Formula:
    """Two with the same text are equal."""

    text: str
    _value: _Value = field(repr=False, compare=False)

    def value(self, case: Case) -> float:
        """Infinite for what is too large, not a number for what has no value."""
        try:
            return float(self._value(case))
        except OverflowError:
            return math.inf
        except (ArithmeticError, ValueError):
            return math.nan


_NAMES: Mapping[str, _Value] = MappingProxyType(
    {
        "ban.Time": lambda case: case.time,
        "ban.Count": lambda case: case.bans,
        "banFactor": lambda case: case.factor,
    }
)
_CHANCE = "random.random"
_ONE, _TWO, _MORE = range(1, 2), range(2, 3), range(2, 10)
_FUNCTIONS: Mapping[str, tuple[Callable[..., float], range]] = MappingProxyType(
    {
        "int": (int, _ONE),
        "float": (float, _ONE),
        "round": (round, _ONE),
        "abs": (abs, _ONE),
        "min": (min, _MORE),
        "max": (max, _MORE),
        "math.exp": (math.exp, _ONE),
        "math.log": (math.log, range(1, 3)),
        "math.log2": (math.log2, _ONE),
        "math.log10": (math.log10, _ONE),
        "math.sqrt": (math.sqrt, _ONE),
        "math.ceil": (math.ceil, _ONE),
        "math.floor": (math.floor, _ONE),
        "math.pow": (math.pow, _TWO),
    }
)
"""With how many arguments each may have."""


def _shift(value: float, by: float) -> float:
    if by < 0 or by % 1:
        raise ValueError("shifts are by whole numbers")
    return math.ldexp(value, int(by))


_OPERATORS: Mapping[type, Callable[[Any, Any], float]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: math.pow,
        ast.LShift: _shift,
        ast.RShift: lambda value, by: value // _shift(1.0, by),
        ast.Lt: operator.lt,
        ast.LtE: operator.le,
        ast.Gt: operator.gt,
        ast.GtE: operator.ge,
        ast.Eq: operator.eq,
        ast.NotEq: operator.ne,
        ast.UAdd: lambda _, value: value,
        ast.USub: operator.sub,
        ast.Not: lambda _, value: not value,
    }
)


def formula(text: str) -> Formula:
    """Read bantime.formula, and try it: it must have a value after each of the first bans. Nothing is the default."""
    if not text:
        return DOUBLING
    found = Formula(text, _read(text, _NAMES))
    for count in _TRIED:
        value = found.value(Case(600.0, float(count), 1.0, 0.5))
        if math.isnan(value):
            raise ConfigError(f"needs a formula: {text!r} has no value for ban.Count = {count}")
        if math.isinf(value) and count == 1:
            raise ConfigError(f"needs a formula: {text!r} is without bounds")
    return found


def number(text: str) -> float:
    """Read a formula without names: a number above zero. Nothing is 1."""
    value = Formula(text, _read(text or "1", {})).value(Case(0.0, 0.0, 0.0, 0.0))
    if not 0 < value < math.inf:
        raise ConfigError(f"needs a number above zero, got {text!r}")
    return value


def numbers(text: str) -> tuple[float, ...]:
    """Read numbers above zero, between blanks or commas."""
    return tuple(number(word) for word in text.replace(",", " ").split())


def _read(text: str, names: Mapping[str, _Value]) -> _Value:
    if len(text) > _LONGEST_TEXT:
        raise ConfigError(f"needs at most {_LONGEST_TEXT} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # what Python will refuse one day, such as `1if x else 2`
            tree = ast.parse(text.replace("\n", " ").strip(), mode="eval")
        return _Reader(text, names).read(tree.body)
    except SyntaxError as error:
        what = f"{error.msg}, column {error.offset}"
        raise ConfigError(f"needs a formula: {what} of {text!r}") from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise ConfigError(f"needs a formula: {error}") from None


class _Reader:
    """One method a kind of node."""

    def __init__(self, text: str, names: Mapping[str, _Value]) -> None:
        self._text = text
        self._names = names

    def read(self, node: ast.expr) -> _Value:  # noqa: PLR0911 - one for each kind of node
        match node:
            case ast.Constant(value=int() | float() as constant):
                value = float(constant)
                return lambda _: value
            case ast.Name() | ast.Attribute():
                return self._name(node)
            case ast.UnaryOp(op, operand):
                return self._operation(op, ast.Constant(0), operand, node)
            case ast.BinOp(left, op, right):
                return self._operation(op, left, right, node)
            case ast.Compare(left, [op], [right]):
                return self._operation(op, left, right, node)
            case ast.BoolOp(op, [first, *rest]):
                return self._either(isinstance(op, ast.Or), first, rest)
            case ast.IfExp(test, body, orelse):
                asked, yes, no = self.read(test), self.read(body), self.read(orelse)
                return lambda case: yes(case) if asked(case) else no(case)
            case ast.Call(keywords=[]):
                return self._call(node)
        raise self._refusal(node)

    def _name(self, node: ast.expr) -> _Value:
        try:
            return self._names[ast.unparse(node)]
        except KeyError:
            raise self._refusal(node) from None

    def _operation(self, sign: ast.AST, left: ast.expr, right: ast.expr, node: ast.expr) -> _Value:
        operation = _OPERATORS.get(type(sign))
        if operation is None:
            raise self._refusal(node)
        one, other = self.read(left), self.read(right)
        return lambda case: float(operation(one(case), other(case)))

    def _either(self, wanted: bool, first: ast.expr, rest: list[ast.expr]) -> _Value:  # noqa: FBT001
        """The first that is true (`or`) or false (`and`), else the last."""
        values = [self.read(node) for node in (first, *rest)]

        def value(case: Case) -> float:
            found = 0.0
            for each in values:
                found = each(case)
                if bool(found) is wanted:
                    break
            return found

        return value

    def _call(self, node: ast.Call) -> _Value:
        name, nodes = ast.unparse(node.func), node.args
        if name == _CHANCE and not nodes and self._names:
            return lambda case: case.chance
        function, takes = _FUNCTIONS.get(name, (float, range(0)))
        if len(nodes) not in takes:
            raise self._refusal(node)
        values = [self.read(node) for node in nodes]
        return lambda case: float(function(*(value(case) for value in values)))

    def _refusal(self, node: ast.expr) -> ConfigError:
        part = ast.unparse(node)
        names = ", ".join([*self._names, *_FUNCTIONS, _CHANCE]) if self._names else "numbers alone"
        return ConfigError(
            f"needs a formula: {part!r} is not understood, column {node.col_offset + 1} of {self._text!r}",
            hint=f"it may use {names}",
        )


DOUBLING: Final = formula("ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor")
