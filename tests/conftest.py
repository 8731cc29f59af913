"""What all tests share."""

import torch

# One thread: small networks gain nothing from more, and a busy machine loses much.
torch.set_num_threads(1)
