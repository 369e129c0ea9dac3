"""Files to examples: readers for real corpora, seeded splits, named downloads and a small sample.

Everything here is plain Python and NumPy; reading a corpus needs no TensorFlow.
"""

from keras_tx.data.batching import TokenBatches, batch_dataset, bucket_lengths
from keras_tx.data.download import DATASETS, Dataset, DownloadError, download
from keras_tx.data.examples import LabelledTexts, SentencePairs
from keras_tx.data.mixing import mix
from keras_tx.data.multi_labelled import (
    MultiLabelledTexts,
    read_multi_labelled_table,
    split_multi_labelled,
)
from keras_tx.data.name_swapping import shared_names, swap_names
from keras_tx.data.readers_labelled import (
    read_imdb,
    read_imdb_unlabelled,
    read_labelled,
    read_labelled_folder,
    read_labelled_table,
)
from keras_tx.data.readers_parallel import read_pairs, read_parallel, read_tab_pairs
from keras_tx.data.readers_unlabelled import read_unlabelled
from keras_tx.data.sample import sample_pairs, sample_reviews
from keras_tx.data.splits import split_labelled, split_pairs
from keras_tx.data.token_sequences import TokenSequences

__all__ = [
    "DATASETS",
    "Dataset",
    "DownloadError",
    "LabelledTexts",
    "MultiLabelledTexts",
    "SentencePairs",
    "TokenBatches",
    "TokenSequences",
    "batch_dataset",
    "bucket_lengths",
    "download",
    "mix",
    "read_imdb",
    "read_imdb_unlabelled",
    "read_labelled",
    "read_labelled_folder",
    "read_labelled_table",
    "read_multi_labelled_table",
    "read_pairs",
    "read_parallel",
    "read_tab_pairs",
    "read_unlabelled",
    "sample_pairs",
    "sample_reviews",
    "shared_names",
    "split_labelled",
    "split_multi_labelled",
    "split_pairs",
    "swap_names",
]
