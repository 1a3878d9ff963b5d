"""The showcase among the demos: `application` for its own server, `app` for those of ASGI."""

from demos.showcase.__main__ import make_application
from toolkit.asgi import as_asgi

application = make_application()
app = as_asgi(application)
