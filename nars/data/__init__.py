"""Image sets in memory, files that are whole or absent, and the store of measured samples."""

from nars.data.atomic import replacing, write_bytes, write_json, write_text
from nars.data.best import best_per_budget
from nars.data.catalogue import StoreFile, StoreWarning
from nars.data.errors import DataError, StoreError
from nars.data.images import IMAGE_SETS, ImageData, Split, load_images
from nars.data.manage import Merged, StoreInfo, export_store, merge_stores, store_info
from nars.data.replay import Measured, Replay, Strategy, as_measured, at_random, measured, replay
from nars.data.rows import Identity
from nars.data.sample import COST_CONVENTION, STATUSES, Sample, Status, sample_key
from nars.data.store import SampleStore

__all__ = [
    "COST_CONVENTION",
    "IMAGE_SETS",
    "STATUSES",
    "DataError",
    "Identity",
    "ImageData",
    "Measured",
    "Merged",
    "Replay",
    "Sample",
    "SampleStore",
    "Split",
    "Status",
    "StoreError",
    "StoreFile",
    "StoreInfo",
    "StoreWarning",
    "Strategy",
    "as_measured",
    "at_random",
    "best_per_budget",
    "export_store",
    "load_images",
    "measured",
    "merge_stores",
    "replacing",
    "replay",
    "sample_key",
    "store_info",
    "write_bytes",
    "write_json",
    "write_text",
]
