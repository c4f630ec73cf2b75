"""What can go wrong between us and PostgreSQL, and what it means.

    DatabaseError
    ├── NotConfiguredError           no DSN yet, or the pool is not open: a mistake in the start-up order
    ├── DatabaseUnavailableError     PostgreSQL did not answer; nothing is known about what it did last
    ├── PoolExhaustedError           no connection came free in time; the statement was never sent
    ├── TransactionError
    │   ├── TransactionMisuseError   used by another task, missing, or open where forbidden; nothing was sent
    │   └── TransactionAbortedError  COMMIT was answered with ROLLBACK: nothing of the transaction is stored
    ├── MigrationError               the schema was not changed further; the message names the file
    └── EmbeddedPostgresError        the server of this checkout does not start or stop

Errors of statements (unique violations and the like) stay asyncpg's own.
"""

from __future__ import annotations

from typing import Final

import asyncpg


class DatabaseError(Exception):
    """Base of this package's own errors."""


class NotConfiguredError(DatabaseError):
    """A statement was asked for before `configure` or `open_pool`."""


class DatabaseUnavailableError(DatabaseError):
    """PostgreSQL cannot be reached."""


class PoolExhaustedError(DatabaseError):
    """Every connection of the pool stayed busy for the whole acquire timeout."""


class TransactionError(DatabaseError):
    """Something about a transaction, not about a statement in it."""


class TransactionMisuseError(TransactionError, RuntimeError):
    """The code uses a transaction in a way that would corrupt it. Always a bug of ours."""


class TransactionAbortedError(TransactionError):
    """The block ended as if all was well, yet PostgreSQL rolled it back."""


class MigrationError(DatabaseError):
    """A migration is missing, changed, misnamed or fails."""


class EmbeddedPostgresError(DatabaseError):
    """The embedded PostgreSQL does not start, stop or answer."""


DATABASE_AWAY: Final = (
    DatabaseUnavailableError,
    NotConfiguredError,
    PoolExhaustedError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,
    # A database that nobody has migrated yet.
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
)
"""What a statement raises while the database, or its schema, is not there: nothing is wrong with who asked."""
