from .page import export_page as export_page, render as render
from .server import Server as Server
from .source import Source as Source, open_source as open_source
