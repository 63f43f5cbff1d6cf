"""Label selectors as Kubernetes has them: all that is asked must hold, and what asks nothing selects everything.

As there, NotIn also holds where the label is missing.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, assert_never

from pydantic import AfterValidator, Field

from reconciler.language.label import LabelKey, LabelValue
from reconciler.language.model import Strict

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]


class Expression(Strict):
    """What one label must be."""

    key: LabelKey
    operator: Operator
    values: list[LabelValue] = Field(default=[])


def _fits(expression: Expression) -> Expression:
    takes = expression.operator in ("In", "NotIn")
    if takes and not expression.values:
        raise ValueError(f"{expression.operator} needs `values`")
    if expression.values and not takes:
        raise ValueError(f"{expression.operator} takes no `values`")
    return expression


class Selector(Strict):
    """The devices that a layer is for, by their labels; every device where nothing is said."""

    match_labels: dict[LabelKey, LabelValue] = Field(default={}, description="Labels with exactly these values.")
    match_expressions: list[Annotated[Expression, AfterValidator(_fits)]] = Field(
        default=[], description="Further conditions, all of which must hold."
    )


EVERYTHING = Selector()


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    equal = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return equal and all(_holds(expression, labels) for expression in selector.match_expressions)


def _holds(expression: Expression, labels: Mapping[str, str]) -> bool:
    match expression.operator:
        case "In":
            return labels.get(expression.key) in expression.values
        case "NotIn":
            return labels.get(expression.key) not in expression.values
        case "Exists":
            return expression.key in labels
        case "DoesNotExist":
            return expression.key not in labels
    assert_never(expression.operator)
