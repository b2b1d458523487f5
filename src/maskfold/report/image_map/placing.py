"""From features to places on a map: PCA, then t-SNE."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

_COMPONENTS = 50  # that t-SNE sees
_LEAST_IMAGES = 10  # for t-SNE; fewer are placed by their first two components
_PERPLEXITY = 30.0


def places_of(features: np.ndarray, seed: int) -> np.ndarray:
    """(N, 2) float64 in 0..1: images that look alike to the encoder lie near each other.

    features: (N, F) float32, of which each is standardised first. The same seed gives the same places on one machine.
    """
    spread = features.std(axis=0)
    values = (features - features.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    count, known = values.shape
    components = min(_COMPONENTS, count - 1, known)
    if components < 1:  # one image, or all alike
        return np.full((count, 2), 0.5)
    reduced = PCA(components, svd_solver="full", random_state=seed).fit_transform(values)
    if count < _LEAST_IMAGES or components < 2:
        places = np.pad(reduced, ((0, 0), (0, 1)))[:, :2]
    else:
        perplexity = min(_PERPLEXITY, (count - 1) / 3)
        places = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(reduced)
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray((places - low) / np.where(high > low, high - low, 1), dtype=np.float64)
