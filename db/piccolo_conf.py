"""For the piccolo command line: `PICCOLO_CONF=db.piccolo_conf piccolo playground run` and the like.

The schema is not Piccolo's: migrations are SQL files, see `db.migrate`.
"""

import os

from piccolo.conf.apps import AppRegistry

from db.engine import DB, configure

if "TOLLBRIDGE_DATABASE_URL" in os.environ:
    configure(os.environ["TOLLBRIDGE_DATABASE_URL"])

APP_REGISTRY = AppRegistry(apps=["db.piccolo_app"])

__all__ = ["APP_REGISTRY", "DB"]
