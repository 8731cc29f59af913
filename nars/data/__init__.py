"""Image sets in memory, files that are whole or absent, and the store of measured samples."""

from nars.data.atomic import replacing, write_bytes, write_json, write_text
from nars.data.catalogue import StoreWarning
from nars.data.errors import DataError, StoreError
from nars.data.images import IMAGE_SETS, ImageData, Split, load_images
from nars.data.sample import COST_CONVENTION, STATUSES, Sample, Status, sample_key
from nars.data.store import SampleStore

__all__ = [
    "COST_CONVENTION",
    "IMAGE_SETS",
    "STATUSES",
    "DataError",
    "ImageData",
    "Sample",
    "SampleStore",
    "Split",
    "Status",
    "StoreError",
    "StoreWarning",
    "load_images",
    "replacing",
    "sample_key",
    "write_bytes",
    "write_json",
    "write_text",
]
