from .cells import Value as Value, is_nothing as is_nothing, number_of as number_of
from .tables import TableFile as TableFile, TableFileError as TableFileError, read_table as read_table
