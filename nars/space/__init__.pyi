from .bounds import (
    LATENCY as LATENCY,
    SECONDS as SECONDS,
    Bounds as Bounds,
    cost_unit as cost_unit,
    limit_of as limit_of,
    loosened as loosened,
    quantity as quantity,
    shorten as shorten,
)
from .describe import differences as differences
from .dimension import CostTable as CostTable, Dimension as Dimension, Fixed as Fixed, Population as Population
from .errors import InfeasibleError as InfeasibleError, SpaceError as SpaceError, SpaceWarning as SpaceWarning
from .extremes import (
    cost_range as cost_range,
    enumerate_architectures as enumerate_architectures,
    exact_ends as exact_ends,
    extreme_rows as extreme_rows,
)
from .families.device import (
    COMMAND as COMMAND,
    Agreement as Agreement,
    DeviceTable as DeviceTable,
    read_device_file as read_device_file,
)
from .families.family import (
    AnyArchitecture as AnyArchitecture,
    Family as Family,
    family_of as family_of,
    read_architecture as read_architecture,
)
from .families.fitted_latency import FittedLatency as FittedLatency, latency_features as latency_features
from .families.generic.flat import Flat as Flat
from .families.generic.functions import FunctionCosts as FunctionCosts
from .families.generic.tables import AdditiveCostTable as AdditiveCostTable, ListedCostTable as ListedCostTable
from .families.mbconv.architecture import (
    ACTIVATIONS as ACTIVATIONS,
    Architecture as Architecture,
    Head as Head,
    Stage as Stage,
    Stem as Stem,
)
from .families.mbconv.block_latency import (
    BlockShape as BlockShape,
    LatencyCosts as LatencyCosts,
    LatencyTable as LatencyTable,
    block_shapes as block_shapes,
    distinct_blocks as distinct_blocks,
)
from .families.mbconv.costs import architecture_costs as architecture_costs, published_flops as published_flops
from .families.mbconv.published import (
    PublishedModel as PublishedModel,
    published as published,
    published_models as published_models,
)
from .families.mbconv.scaling import (
    EFFICIENTNET as EFFICIENTNET,
    PUBLISHED_SCALINGS as PUBLISHED_SCALINGS,
    Scaling as Scaling,
    growth as growth,
    scale as scale,
    scale_to as scale_to,
)
from .families.mbconv.small import BASE as BASE, small_forms as small_forms
from .families.rules import Rule as Rule
from .feasibility import (
    Fraction as Fraction,
    check_reachable as check_reachable,
    feasible_fraction as feasible_fraction,
)
from .files.builtin import (
    load_space as load_space,
    shipped as shipped,
    space_file as space_file,
    space_files as space_files,
    space_names as space_names,
)
from .files.document import Document as Document, parse_document as parse_document, read_document as read_document
from .files.load import examine_space as examine_space, read_space as read_space
from .files.scalars import dump_yaml as dump_yaml
from .latency import DeviceCosts as DeviceCosts, device_table as device_table, latency_costs as latency_costs
from .rare import distinct as distinct, uniform as uniform, walk_into as walk_into
from .reading import Fault as Fault, one_message as one_message
from .recipe import (
    MULTI_LABEL_LOSSES as MULTI_LABEL_LOSSES,
    RECIPE_SAYS as RECIPE_SAYS,
    Recipe as Recipe,
    RecipeError as RecipeError,
    recipe_in as recipe_in,
)
from .sampling import sobol as sobol
from .space import LearnedCosts as LearnedCosts, Space as Space
