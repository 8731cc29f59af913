"""The ground floor: what can be chosen, what a choice costs. Knows nothing of the layers above."""

from nars.space.architecture import ACTIVATIONS, Architecture, Head, Stage, Stem
from nars.space.bounds import Bounds, quantity, shorten
from nars.space.builtin import load_space, shipped, space_file, space_names
from nars.space.cells import is_nothing, number_of
from nars.space.costs import MBCONV_COSTS, architecture_costs, published_flops
from nars.space.difference import differences
from nars.space.dimension import Dimension, Value
from nars.space.document import Document, parse_document, read_document
from nars.space.errors import InfeasibleError, SpaceError, SpaceWarning
from nars.space.extremes import cost_range, enumerate_architectures, extreme_rows
from nars.space.feasibility import Fraction, check_reachable, feasible_fraction
from nars.space.keeping import space_files
from nars.space.latency import BlockShape, LatencyCosts, LatencyTable, block_shapes, distinct_blocks
from nars.space.load import examine_space, read_space
from nars.space.published import PublishedModel, published, published_models
from nars.space.rare import distinct, uniform, walk_into
from nars.space.reading import Cells, Fault
from nars.space.records import one_message
from nars.space.sampling import sobol
from nars.space.scalars import dump_yaml
from nars.space.scaling import EFFICIENTNET, PUBLISHED_SCALINGS, Scaling, fit_scaling, growth, scale, scale_to
from nars.space.schema import RECIPE_SETTINGS
from nars.space.settings import CostTable, Fixed, Population
from nars.space.space import Space
from nars.space.table_files import TableFile, TableFileError, read_table
from nars.space.tables import AdditiveCostTable, ArrayCostTable, ListedCostTable
from nars.space.tabulated import tabulated_costs

__all__ = [
    "ACTIVATIONS",
    "EFFICIENTNET",
    "MBCONV_COSTS",
    "PUBLISHED_SCALINGS",
    "RECIPE_SETTINGS",
    "AdditiveCostTable",
    "Architecture",
    "ArrayCostTable",
    "BlockShape",
    "Bounds",
    "Cells",
    "CostTable",
    "Dimension",
    "Document",
    "Fault",
    "Fixed",
    "Fraction",
    "Head",
    "InfeasibleError",
    "LatencyCosts",
    "LatencyTable",
    "ListedCostTable",
    "Population",
    "PublishedModel",
    "Scaling",
    "Space",
    "SpaceError",
    "SpaceWarning",
    "Stage",
    "Stem",
    "TableFile",
    "TableFileError",
    "Value",
    "architecture_costs",
    "block_shapes",
    "check_reachable",
    "cost_range",
    "differences",
    "distinct",
    "distinct_blocks",
    "dump_yaml",
    "enumerate_architectures",
    "examine_space",
    "extreme_rows",
    "feasible_fraction",
    "fit_scaling",
    "growth",
    "is_nothing",
    "load_space",
    "number_of",
    "one_message",
    "parse_document",
    "published",
    "published_flops",
    "published_models",
    "quantity",
    "read_document",
    "read_space",
    "read_table",
    "scale",
    "scale_to",
    "shipped",
    "shorten",
    "sobol",
    "space_file",
    "space_files",
    "space_names",
    "tabulated_costs",
    "uniform",
    "walk_into",
]
