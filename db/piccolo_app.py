"""Which tables the piccolo command line sees."""

from piccolo.conf.apps import AppConfig, table_finder

APP_CONFIG = AppConfig(
    app_name="tollbridge",
    migrations_folder_path="",
    table_classes=table_finder(modules=["db.tables"], exclude_imported=False),
    commands=[],
)
