"""What the calls of most adapters share."""

from __future__ import annotations

import pytest

from processors.calls import segment
from processors.errors import RefusedError


@pytest.mark.parametrize("value", ["pay_1-A", "0", "a" * 200])
def test_an_id_is_a_path_segment(value: str) -> None:
    assert segment(value) == value


@pytest.mark.parametrize("value", ["", "a/b", "..", "a?b", "a#b", "a%2Fb", "ä", "a\n", "a b", "a" * 201])
def test_an_id_that_leads_elsewhere_is_refused(value: str) -> None:
    with pytest.raises(RefusedError) as refused:
        segment(value)
    assert refused.value.code == "id_malformed"
    assert value == "" or value not in str(refused.value)
