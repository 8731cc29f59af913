from .crops import ResizedCrop as ResizedCrop, evaluation_side as evaluation_side
from .examining import Examined as Examined, Pair as Pair, examine as examine
from .images import (
    ImageData as ImageData,
    Split as Split,
    Streaming as Streaming,
    load_images as load_images,
    spread_over as spread_over,
)
from .labels import name_of as name_of
from .listing import Listing as Listing, list_images as list_images
from .look import typical_side as typical_side
from .names import FOLDER_PREFIX as FOLDER_PREFIX, IMAGE_SETS as IMAGE_SETS, public_name as public_name
from .rendered import RenderedSplit as RenderedSplit
from .streaming import StreamedSplit as StreamedSplit
