"""Forms with files, read part by part while they come in.

Example::

    @stream_request_body
    class UploadHandler(RequestHandler):
        async def post(self):
            async for part in self.parts():
                if part.filename is None:
                    self.fields[part.name] = await part.text()
                elif part.content_type not in ("image/png", "image/jpeg"):
                    raise HTTPError(415)
                else:
                    await part.save(new_path(), max_size=10_000_000)

Nothing is kept of a part that nobody reads, and no more of one that is read than a piece, or the
mebibyte by which a file is written.
"""

from toolkit.web.uploads.names import MAX_NAME, safe_filename
from toolkit.web.uploads.parts import UPLOAD_LIMITS, Part, Parts, parts_of, request_parts
from toolkit.web.uploads.spool import SpooledFile

__all__ = [
    "MAX_NAME",
    "UPLOAD_LIMITS",
    "Part",
    "Parts",
    "SpooledFile",
    "parts_of",
    "request_parts",
    "safe_filename",
]
