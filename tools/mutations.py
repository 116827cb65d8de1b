"""Every small way to break a source: one operator, comparison, sign, index, constant, condition or call at a time.

Python is read as a syntax tree, CUDA C++ as tokens; both give the same kinds of mutants. A mutant is a piece of text
put in the place of another, so that what runs is the file with one change in it. Messages, annotations, docstrings and
imports are left alone.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """``source[start:end]`` replaced by ``new``; where that is, and the whole lines before and after, to be read."""

    file: str
    function: str
    line: int
    last_line: int
    kind: str
    start: int
    end: int
    new: str
    before: str
    after: str

    def apply(self, source: str) -> str:
        """Return the source with the change."""
        return source[: self.start] + self.new + source[self.end :]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function} [{self.kind}]\n  - {self.before}\n  + {self.after}"


Change = tuple[int, int, str, str]
"""Start, end, the new text, the kind."""

SWAPPED = {
    "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "//": ["*"], "%": ["*"], "**": ["*"], "<<": [">>"], ">>": ["<<"],
    "&": ["|"], "|": ["&"], "^": ["&"], "@": [],
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="], "!=": ["=="],
    "is": ["is not"], "is not": ["is"], "in": ["not in"], "not in": ["in"],
    "and": ["or"], "or": ["and"], "&&": ["||"], "||": ["&&"],
    "+=": ["-=", "="], "-=": ["+=", "="], "*=": ["/=", "="], "/=": ["*=", "="], "//=": ["*=", "="], "|=": ["&=", "="],
    "&=": ["|=", "="], ">>=": ["<<=", "="], "<<=": [">>=", "="], "++": ["--"], "--": ["++"],
}  # fmt: skip
COMPARISONS = {"<", "<=", ">", ">=", "==", "!=", "is", "is not", "in", "not in"}
OTHER_CALL = {
    "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "fmin": "fmax", "fmax": "fmin",
    "any": "all", "all": "any", "zeros_like": "ones_like", "ones_like": "zeros_like", "zeros": "ones", "ones": "zeros",
}  # fmt: skip
TRANSPARENT = {"abs", "fabs", "fabsf", "reversed", "float", "int", "bool"}
"""Functions of one argument that a mutant leaves out."""


def kind_of(operator: str) -> str:
    return "comparison" if operator in COMPARISONS else "operator"


def other_numbers(text: str) -> list[str]:
    """Return what to put for a number: the next one and, unless it is 0, the one before (an integer) or 0."""
    match = re.fullmatch(r"(\d+|\d*\.\d+|\d+\.)([fFuUlL]*)", text)
    if match is None:
        return []
    digits, suffix = match.groups()
    if digits.isdigit():
        value = int(digits)
        return [f"{value + 1}{suffix}", *([f"{value - 1}{suffix}"] if value else [])]
    value = float(digits)
    return [f"{value + 1}{suffix}", *([f"0.0{suffix}"] if value else [])]


def mutants(file: str, source: str) -> list[Mutant]:
    """Return all mutants of a file, in the order of their place."""
    changes = _Python(source).changes() if file.endswith(".py") else _C(source).changes()
    found: dict[str, Mutant] = {}
    for function, (start, end, new, kind) in changes:
        if source[start:end] == new:
            continue
        first = source.rfind("\n", 0, start) + 1
        last = source.find("\n", end)
        last = len(source) if last < 0 else last
        before, after = source[first:last], source[first:start] + new + source[end:last]
        mutant = Mutant(
            file, function, source.count("\n", 0, start) + 1, source.count("\n", 0, end) + 1, kind, start, end, new,
            " ".join(before.split()), " ".join(after.split()),
        )  # fmt: skip
        found.setdefault(mutant.apply(source), mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.start, mutant.end))


class _Python:
    """The changes of a Python source."""

    def __init__(self, source: str) -> None:
        self.source = source
        # The syntax tree counts columns in bytes.
        self.lines = [line.encode() for line in source.split("\n")]
        self.starts = [0]
        for line in source.split("\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)

    def changes(self) -> Iterator[tuple[str, Change]]:
        yield from self.walk(ast.parse(self.source), "module")

    def offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + len(self.lines[line - 1][:column].decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        line, column, end_line, end_column = (
            getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")
        )
        return self.offset(line, column), self.offset(end_line, end_column)

    def text(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.source[start:end]

    def between(self, left: ast.AST, right: ast.AST, operator: str) -> tuple[int, int]:
        """Return the place of an operator between two operands, past brackets and comments."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = re.sub(r"#[^\n]*", lambda match: " " * len(match[0]), self.source[start:end])
        match = re.search(re.escape(operator).replace(r"\ ", r"\s+"), gap)
        assert match is not None, (gap, operator)
        return start + match.start(), start + match.end()

    def walk(self, node: ast.AST, function: str) -> Iterator[tuple[str, Change]]:
        if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert):
            return
        inside = function
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inside = node.name if function == "module" else f"{function}.{node.name}"
        for change in self.of(node, function):
            yield inside, change
        for name, child in self.children(node):
            # Decorators and annotations say nothing about what is computed.
            if name not in ("annotation", "returns", "decorator_list", "bases", "type_comment"):
                yield from self.walk(child, inside)

    @staticmethod
    def children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
        for name, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield name, child

    def of(self, node: ast.AST, function: str) -> Iterator[Change]:
        match node:
            case ast.BinOp():
                yield from self.binary(node)
            case ast.AugAssign():
                operator = _OPERATORS[type(node.op)] + "="
                start, end = self.between(node.target, node.value, operator)
                yield from ((start, end, new, "operator") for new in SWAPPED.get(operator, []))
                yield (*self.span(node), "pass", "statement")
            case ast.UnaryOp(op=ast.USub() | ast.Not()):
                yield (*self.span(node), f"({self.text(node.operand)})", "sign")
            case ast.Compare():
                for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
                    operator = _OPERATORS[type(op)]
                    start, end = self.between(left, right, operator)
                    yield from ((start, end, new, "comparison") for new in SWAPPED[operator])
            case ast.BoolOp():
                operator = _OPERATORS[type(node.op)]
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield (*self.between(left, right, operator), SWAPPED[operator][0], "condition")
                for value in node.values:
                    yield (*self.span(value), "True" if operator == "and" else "False", "condition")
            case ast.If() | ast.While():
                yield from ((*self.span(node.test), value, "condition") for value in ("True", "False"))
            case ast.IfExp():
                yield from (
                    (*self.span(node), f"({self.text(part)})", "condition") for part in (node.body, node.orelse)
                )
            case ast.comprehension():
                yield from ((*self.span(test), "True", "condition") for test in node.ifs)
            case ast.Subscript():
                yield from self.index(node.slice)
            case ast.Constant(value=bool()):
                yield (*self.span(node), str(not node.value), "constant")
            case ast.Constant(value=int() | float()):
                yield from ((*self.span(node), new, "constant") for new in other_numbers(self.text(node)))
            case ast.Call():
                yield from self.call(node)
            case ast.Expr(value=ast.Call()):
                yield (*self.span(node), "pass", "statement")
            case ast.Assign() if function != "module":
                names = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
                if any(not isinstance(target, ast.Name) or target.id in names for target in node.targets):
                    yield (*self.span(node), "pass", "statement")

    def binary(self, node: ast.BinOp) -> Iterator[Change]:
        operator = _OPERATORS[type(node.op)]
        start, end = self.between(node.left, node.right, operator)
        yield from ((start, end, new, "operator") for new in SWAPPED[operator])
        left, right = self.text(node.left), self.text(node.right)
        yield (*self.span(node), f"({left})", "operand")
        yield (*self.span(node), f"({right})", "operand")
        if operator in ("-", "/", "//", "@"):
            yield (*self.span(node), f"(({right}) {operator} ({left}))", "operator")

    def index(self, node: ast.expr) -> Iterator[Change]:
        for part in node.elts if isinstance(node, ast.Tuple) else [node]:
            ends = [part.lower, part.upper] if isinstance(part, ast.Slice) else [part]
            for end in ends:
                # Constants are changed as constants.
                if isinstance(end, ast.Name | ast.BinOp | ast.Attribute | ast.Call | ast.Subscript | ast.IfExp):
                    for step in ("+ 1", "- 1"):
                        yield (*self.span(end), f"({self.text(end)}) {step}", "index")

    def call(self, node: ast.Call) -> Iterator[Change]:
        function, name = node.func, node.func
        text = name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
        if text in OTHER_CALL:
            end = self.span(function)[1]
            yield end - len(text), end, OTHER_CALL[text], "call"
        if text in TRANSPARENT and len(node.args) == 1 and not node.keywords:
            yield (*self.span(node), f"({self.text(node.args[0])})", "call")
        if isinstance(function, ast.Attribute) and not node.args and not node.keywords:
            yield (*self.span(node), self.text(function.value), "call")
        if text == "range":
            yield from (change for argument in node.args for change in self.index(argument))
        for keyword in node.keywords:
            if keyword.arg is not None:
                start, end = self.span(keyword)
                comma = re.match(r"\s*,", self.source[end:])
                if comma:
                    end += comma.end()
                yield start, end, "", "argument"


_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in", ast.And: "and", ast.Or: "or",
}  # fmt: skip


@dataclass(frozen=True)
class _Token:
    text: str
    start: int
    end: int

    @property
    def is_operand_end(self) -> bool:
        return self.text in (")", "]") or (bool(re.match(r"[\w.]", self.text)) and self.text not in _NOT_OPERANDS)


_TOKEN = re.compile(
    r"(?P<skip>//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:\\\n|[^\n])*|\s+|\"(?:\\.|[^\"\\])*\")"
    r"|(?P<token>0[xX][0-9a-fA-F]+\w*|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?\w*|[A-Za-z_]\w*"
    r"|<<=|>>=|\+\+|--|->|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)",
    re.DOTALL | re.MULTILINE,
)
_TYPES = {"real", "double", "float", "int", "i64", "bool", "unsigned", "short", "long", "void", "char", "size_t"}
_NOT_OPERANDS = {"return", "case", "else", "const"} | _TYPES
_NOT_DELETED = {"return", "if", "for", "while", "else", "do", "const", "constexpr", "typedef", "__shared__"} | _TYPES
# What may stand before an operand that is left out together with the operator behind it, and the other way round.
_OPENS, _CLOSES = (
    {"(", "[", ",", "=", "?", ":", "return", "{", ";"},
    {")", "]", ",", "?", ":", ";", "+", "-", "&&", "||"},
)


class _C:
    """The changes of a CUDA C++ source, outside preprocessor lines."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = [
            _Token(match["token"], *match.span()) for match in _TOKEN.finditer(source) if match["token"] is not None
        ]
        self.pairs = self.matched()

    def matched(self) -> dict[int, int]:
        """Return for each bracket the one that belongs to it, as numbers of tokens."""
        pairs, open_ = {}, []
        for i, token in enumerate(self.tokens):
            if token.text in "([{":
                open_.append(i)
            elif token.text in ")]}":
                other = open_.pop()
                pairs[i], pairs[other] = other, i
        return pairs

    def at(self, i: int) -> str:
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def between(self, first: int, last: int) -> tuple[int, int]:
        """Return the place of the tokens from ``first`` to ``last``, both included."""
        return self.tokens[first].start, self.tokens[last].end

    def changes(self) -> Iterator[tuple[str, Change]]:
        depth, function, candidate = 0, "module", "module"
        i = 0
        while i < len(self.tokens):
            text = self.at(i)
            if text == "{":
                function = candidate if depth == 0 else function
                depth += 1
            elif text == "}":
                depth -= 1
                function = "module" if depth == 0 else function
            elif depth == 0 and text == "(":
                # Parameters: nothing to change, except that the name before them is a function's.
                candidate = self.at(i - 1)
                i = self.pairs[i]
            elif (depth == 0 and text == "[") or (text == "[" and self.is_size(i)):
                i = self.pairs[i]
            else:
                yield from ((function, change) for change in self.of(i, depth > 0))
            i += 1

    def is_size(self, i: int) -> bool:
        """Return whether the bracket holds the size of an array, written with constants' names."""
        inside = [token.text for token in self.tokens[i + 1 : self.pairs[i]]]
        return any(text.isupper() for text in inside) and not any(text.islower() for text in inside)

    def is_in_header(self, i: int) -> bool:
        """Return whether a semicolon is one of the two in a loop's header."""
        while i >= 0 and self.at(i) not in ("(", "{"):
            i = self.pairs[i] - 1 if self.at(i) in (")", "}", "]") else i - 1
        return self.at(i) == "("

    def of(self, i: int, in_function: bool) -> Iterator[Change]:
        token = self.tokens[i]
        place, text = (token.start, token.end), token.text
        for new in other_numbers(text):
            yield *place, new, "constant"
        if text in ("true", "false"):
            yield *place, "false" if text == "true" else "true", "constant"
        if not in_function:
            return
        if text in ("&&", "||"):
            yield *place, SWAPPED[text][0], "condition"
            for first, last in ((self.condition(i), i - 1), (i + 1, self.condition_end(i))):
                yield *self.between(first, last), "true" if text == "&&" else "false", "condition"
        elif text in SWAPPED and (text not in "+-*&" or self.tokens[i - 1].is_operand_end):
            yield from ((*place, new, kind_of(text)) for new in SWAPPED[text])
            if text in ("+", "-", "*", "/", "%", "&"):
                yield from self.dropped(i)
        elif text in ("-", "!"):
            yield *place, "", "sign"
        if text == "[":
            end = self.pairs[i]
            if any(token.text.isidentifier() for token in self.tokens[i + 1 : end]):
                start, stop = self.between(i + 1, end - 1)
                for step in ("+ 1", "- 1"):
                    yield start, stop, f"({self.source[start:stop]}) {step}", "index"
        if text in ("if", "while") and self.at(i + 1) == "(":
            start, stop = self.between(i + 2, self.pairs[i + 1] - 1)
            yield from ((start, stop, value, "condition") for value in ("true", "false"))
        if text == "?":
            first = self.condition(i)
            yield from ((*self.between(first, i - 1), value, "condition") for value in ("true", "false"))
        if self.at(i + 1) == "(":
            if text in OTHER_CALL:
                yield *place, OTHER_CALL[text], "call"
            if text in TRANSPARENT and self.at(i - 1) not in _TYPES:
                yield *place, "", "call"
        if text == ";" and not self.is_in_header(i):
            yield from self.deleted(i)

    def dropped(self, i: int) -> Iterator[Change]:
        """Leave out an operator with the operand to its right, or to its left."""
        last = i + 1
        while self.at(last) in ("-", "!", "*", "&"):
            last += 1
        last = self.operand_end(last)
        if self.at(last + 1) in _CLOSES | {self.at(i)}:
            yield *self.between(i, last), "", "operand"
        first = self.operand_start(i - 1)
        if self.at(first - 1) in _OPENS | {"&&", "||"}:
            yield *self.between(first, i), "", "operand"

    def operand_end(self, i: int) -> int:
        if self.at(i) == "(":
            i = self.pairs[i]
            if self.at(i - 1) in _TYPES:  # a cast
                return self.operand_end(i + 1)
        while self.at(i + 1) in ("(", "["):
            i = self.pairs[i + 1]
        return self.operand_end(i + 2) if self.at(i + 1) == "." else i

    def operand_start(self, i: int) -> int:
        while self.at(i) in (")", "]"):
            i = self.pairs[i]
            if self.tokens[i - 1].is_operand_end:
                i -= 1
        if self.at(i - 1) == ".":
            return self.operand_start(i - 2)
        return i

    def condition(self, i: int) -> int:
        """Return where the condition begins that stands before a question mark or a logical operator."""
        stops = _OPENS if self.at(i) == "?" else _OPENS | {"&&", "||"}
        while self.at(i - 1) not in stops:
            i = self.pairs[i - 1] if self.at(i - 1) in (")", "]") else i - 1
        return i

    def condition_end(self, i: int) -> int:
        """Return where the condition ends that stands behind a logical operator."""
        while self.at(i + 1) not in (")", "]", ",", "?", ":", ";", "&&", "||"):
            i = self.pairs[i + 1] if self.at(i + 1) in ("(", "[") else i + 1
        return i

    def deleted(self, end: int) -> Iterator[Change]:
        """Leave out the statement that this semicolon ends, if it assigns, calls, or leaves a loop or a function."""
        first = end
        while self.at(first - 1) not in (";", "{", "}", "else", ""):
            if self.at(first - 1) == ")" and self.at(first) not in (";", "=", "+=", ",", ")", ".", "["):
                opened = self.pairs[first - 1]
                if self.at(opened - 1) in ("if", "for", "while"):
                    break
            first = self.pairs[first - 1] if self.at(first - 1) in (")", "]", "}") else first - 1
        words = [token.text for token in self.tokens[first:end]]
        if words in (["break"], ["return"], ["continue"]) or (len(words) > 1 and words[0] not in _NOT_DELETED):
            yield *self.between(first, end - 1), "", "statement"
