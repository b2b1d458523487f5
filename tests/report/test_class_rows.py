"""What the report says of a class belongs to the rule in use."""

import pytest

from maskfold.report.class_rows import class_row
from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE, ComponentRule
from maskfold.rules.tuned import Pair, RuleScores, TunedClass

TUNED = ComponentRule(threshold=100, min_area_px=7)


@pytest.mark.parametrize(
    ("rule", "adopted", "expected"),
    [
        (TUNED, True, ("tuned", 0.8, 0.4)),
        (DEFAULT_RULE, False, ("default", 0.6, 0.5)),
        (EMPTY_RULE, False, ("empty", 0.0, 0.0)),
    ],
)
def test_dice_and_share_are_those_of_the_rule_in_use(rule, adopted, expected):
    entry = TunedClass(
        class_name="a",
        rule=rule,
        tuned_rule=TUNED,
        adopted=adopted,
        reason="why",
        scores=RuleScores(all_empty=0.5, default=0.6, tuned=0.8, honest=0.7),
        non_empty_dice=Pair(default=0.6, tuned=0.8),
        predicted_share=Pair(default=0.5, tuned=0.4),
        true_share=0.45,
    )
    row = class_row(entry)
    assert (row["used"], row["dice"], row["predicted_share"]) == expected
    assert row["plateau"] == "" and row["reason"] == "why"
