"""Recipe of a sentiment classifier that begins with what was learned without labels.

    python apps/finetune_imdb.py --data aclImdb --backbone runs/imdb_backbone/imdb_backbone.keras \
        --output runs/imdb_finetuned

The backbone is one of `apps/pretrain_mlm.py` or of `apps/pretrain_regions.py`.

`--data` is the `aclImdb` folder or its archive; without it, the data set is downloaded (84 MB).
5,000 of the 25,000 training reviews are held out, which the backbone has not seen either. A
masked language model reads long reviews in windows of as many tokens as it was trained on, all of
which are pooled. The run keeps checkpoints in the output directory; after a stop the same command
with `--resume` goes on.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
from bad_input import one_line_errors
from run_directory import add_run_options, begin_run, require_a_round, write_json

import keras_tx
from keras_tx.data import download, read_imdb, read_imdb_unlabelled, split_labelled
from keras_tx.evaluation import evaluate_classifier
from keras_tx.models import RegionBackbone, SentimentClassifier
from keras_tx.training import AdversarialTraining


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--backbone", required=True, help="a .keras file, or its directory")
    parser.add_argument("--minutes", type=float, help="training time of this call")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--sequence-length", type=int, default=1024, help="head and tail of more")
    parser.add_argument("--ngram-buckets", type=int, default=0, help="0 for no n-grams")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--layer-decay", type=float, default=0.8)
    parser.add_argument("--dropout", type=float, default=0.1, help="inside the encoder")
    parser.add_argument("--token-dropout", type=float, default=0.1)
    parser.add_argument("--units", type=int, default=300, help="of the layer on top of regions")
    parser.add_argument("--r-drop", type=float, default=0.0, help="0 for none")
    parser.add_argument(
        "--shift",
        type=float,
        default=0.0,
        help="of adversarial training, also on the unlabelled reviews; 0 for none",
    )
    parser.add_argument("--tokens-per-batch", type=int, default=8192)
    # Half precision pays only where the processor has instructions for it.
    parser.add_argument("--precision", default="float32", help="or mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    add_run_options(parser)
    return parser.parse_args()


@one_line_errors
def main() -> None:
    arguments = options()
    data = arguments.data or download("imdb")
    reviews = read_imdb(data, split="train")
    train, held_out = split_labelled(reviews, 5000, seed=0)
    keras.utils.set_random_seed(arguments.seed)
    backbone = keras_tx.load(arguments.backbone)
    regions = isinstance(backbone, RegionBackbone)
    classifier = SentimentClassifier.from_backbone(
        backbone,
        sequence_length=arguments.sequence_length,
        ngram_buckets=arguments.ngram_buckets,
        ngram_dtype="float16",
        dropout=arguments.dropout,
        token_dropout=arguments.token_dropout,
        **({"units": arguments.units} if regions else {}),
    )
    begin_run(arguments)
    history = classifier.fit(
        train,
        held_out,
        epochs=arguments.epochs,
        tokens_per_batch=arguments.tokens_per_batch,
        learning_rate=arguments.learning_rate,
        layer_decay=arguments.layer_decay,
        r_drop=arguments.r_drop,
        adversarial=AdversarialTraining(arguments.shift) if arguments.shift else None,
        unlabelled=read_imdb_unlabelled(data) if arguments.shift else (),
        rounds_per_epoch=2,
        precision=arguments.precision,
        seed=arguments.seed,
        max_minutes=arguments.minutes,
        directory=arguments.output,
        resume=arguments.resume,
    )
    require_a_round(history, arguments)
    classifier.save(arguments.output / "sentiment_imdb.keras")
    write_json(arguments.output / "history.json", history)
    metrics = {
        "held_out": evaluate_classifier(classifier, held_out),
        "held_out_by_branch": {name: round(value, 4) for name, value in history[-1].items()
                               if name.startswith(("encoder_", "ngram_"))},
    }  # fmt: skip
    write_json(arguments.output / "metrics.json", metrics)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
