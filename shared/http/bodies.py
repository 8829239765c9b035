"""Request and answer models that all services use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from shared.errors import Invalid, Refusal
from shared.http import problems

T = TypeVar("T")
Asked = TypeVar("Asked")
Outcome = TypeVar("Outcome")

MAX_ITEMS = 500

STORABLE = r"^[^\x00]*$"
"""The form of every text: PostgreSQL stores all characters but NUL, and a caller is to be told which field has it."""

Word = Annotated[str, Field(min_length=1, max_length=64, pattern=STORABLE)]
"""A short word from an administered vocabulary."""

Label = Annotated[str, Field(min_length=1, max_length=32, pattern=STORABLE)]
LabelValue = Annotated[str, Field(min_length=1, max_length=120, pattern=STORABLE)]
Labels = Annotated[dict[Label, LabelValue], Field(max_length=20)]
"""Dimensions of an import: short names and values, kept with the object and never published."""

AsOf = Annotated[AwareDatetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))]
"""An instant at which figures are looked at; databases and zones end where years do."""


class Body(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Command(Body):
    """A body that records a fact. `occurred_at`: when it happened, if not just now."""

    occurred_at: AwareDatetime | None = None


class Answer(BaseModel):
    """A response body, filled from attributes."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class ItemList(Generic[T]):
    """1 to 500 items that are validated one by one, so that a bad one does not fail the others."""

    def __init__(self, raw: list[Any], adapter: TypeAdapter[T]) -> None:
        self._raw = raw
        self._adapter = adapter

    def __len__(self) -> int:
        return len(self._raw)

    def parsed(self) -> Iterator[tuple[int, T | Invalid]]:
        """Each item with its index, or what is invalid in it (pointers start at the item)."""
        for index, raw in enumerate(self._raw):
            try:
                yield index, self._adapter.validate_python(raw)
            except ValidationError as error:
                yield index, _invalid(error)

    async def results(
        self,
        command: Callable[[T], Asked],
        apply: Callable[[list[Asked]], Awaitable[Sequence[Outcome | Refusal]]],
        result: Callable[[int, Outcome], Result],
    ) -> Results:
        """One result per item, in their order.

        `command` makes a command of an item or raises Invalid; `apply` runs all commands and gives an outcome or a refusal for each;
        `result` tells an outcome.
        """
        commands: dict[int, Asked] = {}
        results: dict[int, Result] = {}
        for index, item in self.parsed():
            try:
                if isinstance(item, Invalid):
                    raise item
                commands[index] = command(item)
            except Invalid as refusal:
                results[index] = Result.failed(index, refusal)
        for index, outcome in zip(commands, await apply(list(commands.values())), strict=True):
            results[index] = Result.failed(index, outcome) if isinstance(outcome, Refusal) else result(index, outcome)
        return Results(items=[results[index] for index in sorted(results)])

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        adapter: TypeAdapter[Any] = TypeAdapter(get_args(source)[0])
        shape = core_schema.list_schema(core_schema.any_schema(), min_length=1, max_length=MAX_ITEMS)
        metadata = {"pydantic_js_functions": [lambda _, __: _items_schema(adapter)]}
        return core_schema.no_info_after_validator_function(lambda raw: ItemList(raw, adapter), shape, metadata=metadata)


def _invalid(error: ValidationError) -> Invalid:
    if (count := error.error_count()) > problems.MOST_ERRORS:  # naming them all would take longer than finding them
        return Invalid.at("/", "TOO_MANY_FAULTS", f"{count} fields are not valid.")
    return Invalid(problems.field_errors(error.errors(include_url=False, include_input=False, include_context=False), skip=0))


def _items_schema(adapter: TypeAdapter[Any]) -> JsonSchemaValue:
    items = adapter.json_schema()
    definitions = items.pop("$defs", {})
    schema = {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": items}
    return _inlined(schema, definitions)


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}


class ItemProblem(BaseModel):
    """Why one item failed."""

    code: str
    detail: str
    errors: list[dict[str, Any]]


class Result(BaseModel):
    """What became of one item of a bulk command. `index` is its place in the request."""

    index: int
    status: Literal["created", "updated", "unchanged", "failed"]
    id: UUID | None = None
    version: int | None = None
    problem: ItemProblem | None = None

    @classmethod
    def failed(cls, index: int, refusal: Refusal, id: UUID | None = None) -> Result:  # noqa: A002  the field's name
        """The result of a refused item."""
        errors = [{"code": error.code, "field": error.field, "message": error.message} for error in refusal.errors]
        problem = ItemProblem(code=problems.code_of(refusal), detail=refusal.detail, errors=errors)
        return cls(index=index, status="failed", id=id, problem=problem)


class Results(BaseModel):
    """One result per item, in the request's order. Failed items are sent again under a new Idempotency-Key."""

    items: list[Result]
