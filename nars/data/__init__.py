"""Image sets in memory and the store of measured samples."""

from nars.data.best import best_per_budget
from nars.data.catalogue import StoreFile, StoreWarning
from nars.data.errors import DataError, StoreError
from nars.data.images import FOLDER_PREFIX, IMAGE_SETS, ImageData, Split, Streaming, load_images
from nars.data.importing import Imported, add_trials
from nars.data.kept_space import KEPT_SPACE, keep_space, kept_space, write_space
from nars.data.listing import Listing, list_images
from nars.data.manage import Merged, StoreInfo, export_store, merge_stores, store_info
from nars.data.replay import Evolution, Measured, Replay, Strategy, as_measured, at_random, measured, replay
from nars.data.rows import Identity
from nars.data.sample import COST_CONVENTION, STATUSES, Sample, Status, sample_key
from nars.data.store import SampleStore
from nars.data.streaming import StreamedSplit
from nars.data.tables import TABLES, load_table
from nars.data.trial_files import read_trials
from nars.data.trials import Trials, TrialTable, samples_of, trials_of, with_costs

__all__ = [
    "COST_CONVENTION",
    "FOLDER_PREFIX",
    "IMAGE_SETS",
    "KEPT_SPACE",
    "STATUSES",
    "TABLES",
    "DataError",
    "Evolution",
    "Identity",
    "ImageData",
    "Imported",
    "Listing",
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
    "StreamedSplit",
    "Streaming",
    "TrialTable",
    "Trials",
    "add_trials",
    "as_measured",
    "at_random",
    "best_per_budget",
    "export_store",
    "keep_space",
    "kept_space",
    "list_images",
    "load_images",
    "load_table",
    "measured",
    "merge_stores",
    "read_trials",
    "replay",
    "sample_key",
    "samples_of",
    "store_info",
    "trials_of",
    "with_costs",
    "write_space",
]
