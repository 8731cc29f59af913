"""What goes wrong with data that a user can put right."""


class DataError(ValueError):
    """An image set that is missing, unreadable or unfit; the message names the file or folder and the way out."""


class StoreError(ValueError):
    """A sample store that cannot be opened, or rows that do not belong together; the message names both sides."""
