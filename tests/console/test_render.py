"""What pages share: rows whose cells say which column they are of."""

from __future__ import annotations

from markupsafe import Markup

from gateway.console.render import labelled


def test_a_cell_says_its_column_and_one_with_nothing_in_it_that() -> None:
    rows = Markup('<tr><th scope="row">a</th><td class="right">1</td><td>–</td><td class="text"> </td></tr>\n<tr><td>b')
    told = labelled(rows + Markup("</td></tr>"), ["Who & what", ">Sum", "Since", "Why"])
    assert told == (
        '<tr><th scope="row" data-label="Who &amp; what">a</th><td class="right" data-label="Sum">1</td>'
        '<td class="none" data-label="Since">–</td><td class="none text" data-label="Why"> </td></tr>\n'
        '<tr><td data-label="Who &amp; what">b</td></tr>'
    )
