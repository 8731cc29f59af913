"""Image sets in memory, files that are whole or absent, and the store of measured samples."""

from nars.data.atomic import replacing, write_bytes, write_json, write_text
from nars.data.errors import DataError, StoreError
from nars.data.images import IMAGE_SETS, ImageData, Split, load_images

__all__ = [
    "IMAGE_SETS",
    "DataError",
    "ImageData",
    "Split",
    "StoreError",
    "load_images",
    "replacing",
    "write_bytes",
    "write_json",
    "write_text",
]
