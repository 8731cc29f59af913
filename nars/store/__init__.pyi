from .best import best_per_budget as best_per_budget
from .catalogue import StoreFile as StoreFile, StoreWarning as StoreWarning
from .kept_space import (
    KEPT_SPACE as KEPT_SPACE,
    keep_space as keep_space,
    kept_space as kept_space,
    write_space as write_space,
)
from .manage import (
    Merged as Merged,
    StoreInfo as StoreInfo,
    export_store as export_store,
    merge_stores as merge_stores,
    store_info as store_info,
)
from .rows import Identity as Identity, check_metric as check_metric
from .sample import (
    COST_CONVENTION as COST_CONVENTION,
    STATUSES as STATUSES,
    Sample as Sample,
    Status as Status,
    sample_key as sample_key,
)
from .store import SampleStore as SampleStore
