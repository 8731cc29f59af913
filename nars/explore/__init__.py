"""A page on which a predictor is asked and a run is looked at: served to this machine alone, or one file to mail.

Why no toolkit. The page must work from a file, without a network, and answer a slider within 300 ms: so the answers are
computed beforehand (a front over all costs) and looked up in the page itself, which a toolkit with a server behind each
slider cannot do (Streamlit, Gradio, Dash; 30 to 200 MB to install each), and what is left is one plot, one table and a
few buttons: 20 kB of script against 3.5 MB of Plotly. The server is the standard library's. Both are tested as they
are, in a browser.

What trains is not in here: buttons start `nars train` and `nars export` as anybody would. Nothing of another room draws
or serves.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
