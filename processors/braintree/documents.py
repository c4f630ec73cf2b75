"""The GraphQL documents that are sent, and nothing else of the API.

Variables are named as the arguments of the fields. Fields are those of the published schema of 2025-04-29, and
`apiRequestKey`, which is newer (docs: graphql/reference/types/charge-payment-method-input). The bytes of a charge and
of a refund hold their document, so a change to one changes what is stored from then on, and nothing that was.
"""

from __future__ import annotations

from typing import Final

_HISTORY: Final = """
  statusHistory {
    __typename status terminal timestamp source
    ... on ProcessorDeclinedEvent {
      declineType
      processorResponse { legacyCode message additionalInformation }
      networkResponse { code }
      merchantAdviceCodeResponse { code }
    }
    ... on GatewayRejectedEvent { gatewayRejectionReason duplicateOf { id orderId } }
    ... on FailedEvent { processorResponse { legacyCode message additionalInformation } networkResponse { code } }
    ... on SettlementDeclinedEvent { processorResponse { legacyCode message } }
  }
"""
_TRANSACTION: Final = f"""
fragment Charge on Transaction {{
  __typename id legacyId status orderId merchantAccountId createdAt
  amount {{ value currencyCode }}{_HISTORY}}}
"""
_REFUND: Final = f"""
fragment Return on Refund {{
  __typename id legacyId status orderId createdAt source
  amount {{ value currencyCode }}{_HISTORY}  refundedTransaction {{ id orderId merchantAccountId }}
}}
"""
_DISPUTE: Final = """
fragment Objection on Dispute {
  __typename id legacyId type status createdAt responseDeadline replyByDate
  amountDisputed { value currencyCode }
  amountWon { value currencyCode }
  processorResponse { reason reasonCode }
  statusHistory { status timestamp }
  transaction { id orderId merchantAccountId amount { value currencyCode } }
}
"""
_METHOD: Final = """
fragment Method on PaymentMethod {
  id legacyId usage createdAt
  details {
    __typename
    ... on CreditCardDetails { brandCode last4 expirationMonth expirationYear uniqueNumberIdentifier }
    ... on PayPalAccountDetails { email payerId }
    ... on VenmoAccountDetails { username venmoUserId }
    ... on UsBankAccountDetails { last4 }
    ... on SEPADirectDebitAccountDetails { last4 }
  }
}
"""
_PAGE: Final = "pageInfo { hasNextPage endCursor }"

# Charges

CHARGE: Final = (
    "mutation Charge($input: ChargePaymentMethodInput!)"
    " { chargePaymentMethod(input: $input) { transaction { ...Charge } } }" + _TRANSACTION
)
TRANSACTION: Final = "query Transaction($id: ID!) { node(id: $id) { ...Charge } }" + _TRANSACTION
TRANSACTIONS: Final = (
    "query Transactions($input: TransactionSearchInput!, $first: Int, $after: String)"
    " { search { transactions(input: $input, first: $first, after: $after)"
    f" {{ edges {{ node {{ ...Charge }} }} {_PAGE} }} }} }}" + _TRANSACTION
)

# Money that goes back

REFUND: Final = (
    "mutation Refund($input: RefundTransactionInput!) { refundTransaction(input: $input) { refund { ...Return } } }"
    + _REFUND
)
REVERSE: Final = (
    "mutation Reverse($input: ReverseTransactionInput!)"
    " { reverseTransaction(input: $input) { reversal { __typename ...Charge ...Return } } }" + _TRANSACTION + _REFUND
)
RETURN: Final = "query Return($id: ID!) { node(id: $id) { __typename ...Return ...Charge } }" + _TRANSACTION + _REFUND
RETURNS: Final = (
    "query Returns($input: RefundSearchInput!, $first: Int, $after: String)"
    " { search { refunds(input: $input, first: $first, after: $after)"
    f" {{ edges {{ node {{ ...Return }} }} {_PAGE} }} }} }}" + _REFUND
)
RETURNS_OF: Final = (
    "query ReturnsOf($id: ID!) { node(id: $id) { ...Charge ... on Transaction { refunds { ...Return } } } }"
    + _TRANSACTION
    + _REFUND
)
DISPUTE: Final = "query Dispute($id: ID!) { node(id: $id) { ...Objection } }" + _DISPUTE
DISPUTES: Final = (
    "query Disputes($input: DisputeSearchInput!, $first: Int, $after: String)"
    " { search { disputes(input: $input, first: $first, after: $after)"
    f" {{ edges {{ node {{ ...Objection }} }} {_PAGE} }} }} }}" + _DISPUTE
)

# Payment methods

CREATE_CUSTOMER: Final = (
    "mutation CreateCustomer($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id } } }"
)
CREATE_CLIENT: Final = (
    "mutation ClientToken($input: CreateClientTokenInput!) { createClientToken(input: $input) { clientToken } }"
)
VAULT: Final = (
    "mutation Vault($input: VaultPaymentMethodInput!) { vaultPaymentMethod(input: $input)"
    " { paymentMethod { ...Method }"
    " verification { status gatewayRejectionReason processorResponse { legacyCode message } } } }" + _METHOD
)
METHODS: Final = (
    "query Methods($id: ID!, $first: Int, $after: String)"
    " { node(id: $id) { ... on Customer { id paymentMethods(first: $first, after: $after)"
    f" {{ edges {{ node {{ ...Method }} }} {_PAGE} }} }} }} }}" + _METHOD
)
METHOD: Final = "query Method($id: ID!) { node(id: $id) { ... on PaymentMethod { id usage } } }"
ADDRESS: Final = (
    "query Address($id: ID!) { node(id: $id) { ... on PaymentMethod { id details { __typename"
    " ... on CreditCardDetails { billingAddress { ...Place } }"
    " ... on PayPalAccountDetails { billingAddress { ...Place } } } } } }"
    " fragment Place on Address { addressLine1 addressLine2 adminArea1 adminArea2 postalCode countryCode }"
)
DELETE_METHOD: Final = (
    "mutation Delete($input: DeletePaymentMethodFromVaultInput!)"
    " { deletePaymentMethodFromVault(input: $input) { __typename } }"
)

# The account

MERCHANT: Final = (
    "query Merchant($input: MerchantAccountSearchInput, $first: Int)"
    " { viewer { merchant { id merchantAccounts(input: $input, first: $first)"
    f" {{ edges {{ node {{ id currencyCode status }} }} {_PAGE} }} }} }} }}"
)
GLOBAL_ID: Final = (
    "query GlobalId($legacyId: ID!, $type: LegacyIdType!) { idFromLegacyId(legacyId: $legacyId, type: $type) }"
)
