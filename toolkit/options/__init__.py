"""Options of a program: defined where they are used, set on the command line or in a file.

Each module defines its own options when it is imported, and reads them as attributes::

    # shop/database.py
    from toolkit.options import define, options

    define("db_host", default="127.0.0.1", help="where the database is")
    define("db_replicas", type=str, multiple=True, metavar="HOST,...", help="more of them")

    def connect():
        return Connection(options.db_host)

The program parses the command line, and then all of them are set::

    # shop/__main__.py
    import shop.database
    from toolkit.options import parse_command_line

    parse_command_line()          # python -m shop --db-host=db.example.com

``-`` and ``_`` are the same in a name. The options of logging are there already (see
`toolkit.log`) and take effect when the parsing ends; ``options.logging = None`` before that
leaves logging alone. A program that parses more than one source passes ``final=False`` for all
but the last.
"""

from toolkit.options.option import Error
from toolkit.options.parser import OptionParser
from toolkit.options.program import (
    add_parse_callback,
    define,
    options,
    parse_command_line,
    parse_config_file,
    print_help,
)

__all__ = [
    "Error",
    "OptionParser",
    "add_parse_callback",
    "define",
    "options",
    "parse_command_line",
    "parse_config_file",
    "print_help",
]
