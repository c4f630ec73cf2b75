"""Piccolo's view of the schema, one module per noun. The truth is `db/migrations`; a test compares the two."""

from db.tables.account import Account, ApiKey, Rehearsal, StripeBudget, StripeEndpoint, WebhookSecret
from db.tables.attempt import Attempt
from db.tables.books import (
    Reconciliation,
    ReconciliationBreak,
    SettlementFile,
    SettlementFormat,
    SettlementRow,
)
from db.tables.case import CaseNote, ReviewCase
from db.tables.checkout import CheckoutSession
from db.tables.connection import Circuit, Connection
from db.tables.console import ConsoleRole, ConsoleSession, ConsoleThrottle, ConsoleUser, ConsoleView
from db.tables.customer import CollectionPause, Customer, CustomerWord, OrganizationToken, PaymentMethod
from db.tables.delivery import Delivery, RefusedDelivery
from db.tables.house import AuditLog, BusinessClock, CatchUp, Downtime, IdempotentReply, Worker
from db.tables.invoice import Invoice
from db.tables.ledger import Movement, Recording
from db.tables.outbound import (
    EventDelivery,
    OutboundEvent,
    OutboundSequence,
    WebhookEndpoint,
    WebhookEndpointSecret,
)
from db.tables.returns import Carry, CreditNote, Dispute, Refund, RefundPart, Remainder
from db.tables.setup import PaymentMethodSession, PaymentSetup
from db.tables.subscription import AccessGrant, Cancellation, HandOver, Subscription, Switch
from db.tables.usage import Meter, UsageEvent, UsageStream

__all__ = [
    "AccessGrant",
    "Account",
    "ApiKey",
    "Attempt",
    "AuditLog",
    "BusinessClock",
    "Cancellation",
    "Carry",
    "CaseNote",
    "CatchUp",
    "CheckoutSession",
    "Circuit",
    "CollectionPause",
    "Connection",
    "ConsoleRole",
    "ConsoleSession",
    "ConsoleThrottle",
    "ConsoleUser",
    "ConsoleView",
    "CreditNote",
    "Customer",
    "CustomerWord",
    "Delivery",
    "Dispute",
    "Downtime",
    "EventDelivery",
    "HandOver",
    "IdempotentReply",
    "Invoice",
    "Meter",
    "Movement",
    "OrganizationToken",
    "OutboundEvent",
    "OutboundSequence",
    "PaymentMethod",
    "PaymentMethodSession",
    "PaymentSetup",
    "Reconciliation",
    "ReconciliationBreak",
    "Recording",
    "Refund",
    "RefundPart",
    "RefusedDelivery",
    "Rehearsal",
    "Remainder",
    "ReviewCase",
    "SettlementFile",
    "SettlementFormat",
    "SettlementRow",
    "StripeBudget",
    "StripeEndpoint",
    "Subscription",
    "Switch",
    "UsageEvent",
    "UsageStream",
    "WebhookEndpoint",
    "WebhookEndpointSecret",
    "WebhookSecret",
    "Worker",
]
