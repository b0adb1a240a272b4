"""Complete: a response whose headers go out as they stand.

werkzeug would copy them, take the Location apart and put it together again, and look for a length that is there already:
a tenth of the calls in Python that a request makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Complete(Response):
    """With a status that has a body. Its maker sees to it that a Location is a URI."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        if 200 <= self.status_code < 204:
            return self.headers
        return super().get_wsgi_headers(environ)  # a hook of the app has made something else of it
