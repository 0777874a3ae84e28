"""How uploads are received."""

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload


class LimitedUploadHandler(FileUploadHandler):
    """Spare the disk what no form will take.

    A file is kept until it is larger than MAX_UPLOAD_SIZE: enough for the form to say so. The
    rest is thrown away, and the connection is closed on a client that goes on and on.
    """

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        if start > 10 * settings.MAX_UPLOAD_SIZE:
            raise StopUpload(connection_reset=True)
        return None if start > settings.MAX_UPLOAD_SIZE else raw_data

    def file_complete(self, file_size: int) -> UploadedFile | None:
        return None
