"""What people are offered to do by hand is what is not refused to them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from db.states import Collector
from gateway.domain.billed import StripePayment
from gateway.domain.view import Pause
from gateway.finance.offers import Offer, offers
from tests.domain.views import HOUR, NOW, VIEW, attempt, declined_at, holding, invoice, view

ALL = frozenset(Offer)
SETTLED = (Offer.RECORD_PAYMENT, Offer.VOID)
OFFERED = {
    "open and ours": (view(), ALL),
    "it was not read yet": (replace(VIEW, invoice=None), ()),
    "it is about to be read": (view(stale=True), (Offer.COLLECT,)),
    "stripe charges it": (view(invoice(collection_method="charge_automatically")), ()),
    "stripe is collecting a payment on it": (view(invoice(stripe_payment=StripePayment.PROCESSING)), ()),
    "its payer pays on stripe's page": (view(collector=Collector.HOSTED), SETTLED),
    "it was handed to stripe": (view(collector=Collector.STRIPE), (Offer.RECORD_PAYMENT,)),
    "its end is not known": (view(attempts=(attempt("unknown"),)), ()),
    "its money is held": (holding(), ()),
    "a part is held": (holding(400), (Offer.RECORD_PAYMENT,)),
    "a pause": (view(pause=Pause("pays by transfer", NOW - HOUR)), SETTLED),
    "declined": (view(attempts=declined_at(0)), ALL),
    "somebody wants it void": (view(void_asked=True), ()),
    "uncollectible": (view(invoice("uncollectible")), (Offer.VOID,)),
    "paid": (view(invoice("paid")), ()),
    "its customer is left alone": (view(opted_out=True), (Offer.RECORD_PAYMENT,)),
}


@pytest.mark.parametrize("name", OFFERED)
def test_an_offer_is_what_nothing_stands_in_the_way_of(name: str) -> None:
    seen, wanted = OFFERED[name]
    assert offers(seen, NOW) == frozenset(wanted)
