"""The three loggers of the toolkit.

- ``toolkit.access``: a line for each request served;
- ``toolkit.application``: errors in the user's code;
- ``toolkit.general``: everything else, such as bad peers.
"""

import logging

access_log = logging.getLogger("toolkit.access")
app_log = logging.getLogger("toolkit.application")
gen_log = logging.getLogger("toolkit.general")
