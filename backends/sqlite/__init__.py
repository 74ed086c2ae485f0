"""A database in an SQLite file, with a folder of backups."""
